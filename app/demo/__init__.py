"""The demonstration: a seeded half year, people to sign in as, a board, and an attack while one looks."""
