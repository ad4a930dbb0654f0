"""Speed of sklearn-l2, measured against its peers."""
