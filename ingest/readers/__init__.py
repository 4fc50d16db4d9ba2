"""Events from elsewhere: logs of other systems, read into ours."""
