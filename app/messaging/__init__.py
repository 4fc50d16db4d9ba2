"""Ways to reach people, by name."""
