"""What an operator can ask of an installation, from the command line or beside a running one."""
