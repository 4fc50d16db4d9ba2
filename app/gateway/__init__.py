"""What every request passes before and after its view, in the order of `pipeline`."""
