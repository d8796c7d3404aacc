"""Lengths that spectra are padded to: one compiled program serves all spectra of a length."""

LENGTHS = (64, 128, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096)
"""Lengths spectra are padded to. Longer ones go to multiples of 4096."""


def padded_length(bins: int) -> int:
    """Return the shortest padded length of a spectrum with this many bins."""
    for length in LENGTHS:
        if bins <= length:
            return length
    return -(-bins // LENGTHS[-1]) * LENGTHS[-1]
