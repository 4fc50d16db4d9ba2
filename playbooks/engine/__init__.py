"""Playbooks as data: reading, checking, deciding, and carrying out step by step, whatever is killed in between."""
