"""Reads the one log, every sequence once, and turns patterns into alerts that carry their evidence."""
