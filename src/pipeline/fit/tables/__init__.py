"""Rows of tables into lanes, and fitted lanes into rows."""
