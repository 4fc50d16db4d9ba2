"""Retention: how long what is kept, what is held in spite of it, and runs that remove what is due, proven by others."""
