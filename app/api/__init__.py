"""The JSON API under /api/v1: one module a resource, one table of errors, one description."""
