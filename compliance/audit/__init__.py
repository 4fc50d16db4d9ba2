"""The audit trail: searched, verified, taken away and sampled, each leaving its own trace."""
