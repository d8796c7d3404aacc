"""Tests by simulation: peaks, outliers, and what decides between models."""
