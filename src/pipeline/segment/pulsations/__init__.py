"""Strictly periodic signals: the search, and the phases of events and bins that it uses."""
