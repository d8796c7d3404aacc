"""Averaged power spectra of the observations of a shard."""
