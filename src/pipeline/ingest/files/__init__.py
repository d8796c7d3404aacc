"""Formats of files: FITS and text, their headers and their columns."""
