"""What `python -m sklearn_l2` is made of: data files, tuning, reports."""
