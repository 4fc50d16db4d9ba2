"""The event store: where bodies are searched; always a copy, always rebuildable, never the truth."""
