"""Embedded data: what the tasks learn from when no file is given."""
