"""Shared ground of the tests: real parts, made small."""
