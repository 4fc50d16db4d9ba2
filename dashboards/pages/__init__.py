"""The pages of the console: each answers one question, stated in its docstring."""
