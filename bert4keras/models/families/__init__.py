"""Families of models, one file each; CONTRIBUTING.md says how to add a family."""
