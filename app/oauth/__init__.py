"""Programs and browsers at the door: which one credential a request carries, and the actor it stands for."""
