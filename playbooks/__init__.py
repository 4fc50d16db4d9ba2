"""Turns a finding into an incident with an owner, a playbook, clocks and a timeline.

Others import `joining.accept`, the port of detection; the services `casework`, `tasks`, `actions` and `undoing`; the
reads `incidents`, `cases`, `action_rows`, `deadlines` and `timeline`; `jobs.jobs`; and `engine.shipped.parts`, which
joins what these need.
"""
