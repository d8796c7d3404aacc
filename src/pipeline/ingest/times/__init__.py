"""Clocks, time units, frames and good time intervals."""
