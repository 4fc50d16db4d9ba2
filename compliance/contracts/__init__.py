"""What compliance asks of the owners of data: types and ports in kernel types, and nothing that knows an owner."""
