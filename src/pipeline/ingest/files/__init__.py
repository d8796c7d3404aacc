"""Formats of files: what is in them, and where."""
