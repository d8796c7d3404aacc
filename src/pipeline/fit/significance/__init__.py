"""Tests by simulation: of peaks, of outliers, and of one more component."""
