"""The engine: it asks probes, tests them by planted violations, keeps what they saw, and says where controls stand."""
