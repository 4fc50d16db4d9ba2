"""The published language: what can happen, as frozen dataclasses; `catalog` lists every kind."""
