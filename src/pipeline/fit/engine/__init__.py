"""The optimiser: batches of lanes on cores and devices."""
