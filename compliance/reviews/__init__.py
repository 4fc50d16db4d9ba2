"""Access reviews: every half year somebody else says of each grant whether it stays."""
