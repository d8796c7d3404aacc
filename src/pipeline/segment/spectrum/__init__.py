"""Periodograms of segments, their averages, and what is measured of them."""
