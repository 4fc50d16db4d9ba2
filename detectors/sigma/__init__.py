"""Sigma rules: read strictly, lowered to store conditions, correlated exactly."""
