"""Missions and instruments: names, energies, and what their files do not say."""
