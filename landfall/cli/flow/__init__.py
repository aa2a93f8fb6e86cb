"""What spans the halves, as lists of small functions; commands only call these."""
