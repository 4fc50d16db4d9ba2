"""The event store: where bodies are searched; always a copy, always rebuildable, never the truth.

Others import `query` (conditions, windows, answers), `port` (the store and its errors, `walk`), `matches` (the meaning
of a condition in Python), `regex` (the portable dialect), `stubs` (what a parked document was) and `backends` (making
the store that the settings name); `memory` is a store for what keeps nothing.
"""
