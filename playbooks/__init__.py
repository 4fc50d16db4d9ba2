"""Turns a finding into an incident with an owner, a playbook, clocks and a timeline."""
