"""People: accounts, passwords, factors, sign-in, sessions, roles."""
