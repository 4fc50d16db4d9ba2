"""Compliance: which controls hold and how that is known, what people may ask of their data, and when data ends."""
