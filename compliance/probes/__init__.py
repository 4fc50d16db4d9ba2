"""Probes about what lies below compliance, the log above all, and about compliance's own registers."""
