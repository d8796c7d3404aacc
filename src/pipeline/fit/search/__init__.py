"""Fits from nothing: starting values, peaks, decomposition."""
