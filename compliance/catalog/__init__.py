"""What is asked: controls, purposes, periods, as data that is read strictly at start."""
