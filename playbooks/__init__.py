"""Turns a finding into an incident with an owner, a playbook, clocks and a timeline.

Others import `incidents` (services, reads and `accept`, the port of detection), `tasks`, `actions`, `deadlines`,
`timeline.sentence`, `jobs.jobs`, and `engine.shipped.parts`, which joins what these need.
"""
