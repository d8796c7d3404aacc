"""Every option of a survey, declared once, a file a section."""
