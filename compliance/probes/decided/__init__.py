"""What stands as decided, by owner: each of it has the event in the log that says so, or somebody only wrote it."""
