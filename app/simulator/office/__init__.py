"""The office of a demonstration: what its staff have signed, and what waits for them."""
