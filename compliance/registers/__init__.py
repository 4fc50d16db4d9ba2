"""The registers of the data protection officer: self-tests, breaches, processors, the approved record of processing."""
