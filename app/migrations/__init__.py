"""The schema, as a line of hand-written revisions: one history for the main database, one for subject keys."""
