"""The register of scans: what was looked at from outside and inside, when, by whom, and what was found."""
