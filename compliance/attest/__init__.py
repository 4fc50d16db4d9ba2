"""What people sign about controls: attestations, exceptions, risk analyses, baselines, and files as evidence."""
