"""The staff console: one Dash app at /console."""
