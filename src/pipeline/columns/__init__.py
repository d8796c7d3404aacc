"""Every column of every table, declared once, a file a stage."""
