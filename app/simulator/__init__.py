"""A seeded world that lives and is attacked, through the real services alone."""
