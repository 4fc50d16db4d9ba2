"""Campaigns: one kind a file, yielding wishes like everybody else."""
