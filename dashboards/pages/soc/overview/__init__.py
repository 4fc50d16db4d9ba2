"""The overview: its page, what waits and is due, and the pictures of what was found."""
