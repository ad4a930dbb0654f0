"""The numpy gradient-descent core: P problems that share X, solved as one batch."""
