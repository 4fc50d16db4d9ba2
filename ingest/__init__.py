"""Turns everything that happens into events, seals them in one log and keeps an event store filled from it."""
