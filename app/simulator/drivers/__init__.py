"""Ways to carry wishes out: through services on a stepped clock, or through requests to a running system."""
