"""Checksums are those of Astropy, in whatever pieces the bytes come."""

import numpy as np
import pytest
from astropy.io import fits

from pipeline.catalog.formats.checksum import Checksum, combined, encoded

RNG = np.random.default_rng(5)


@pytest.mark.parametrize("size", [0, 1, 4, 2879, 2880, 50_001])
def test_the_sum_of_pieces_is_that_of_the_whole(size):
    data = RNG.integers(0, 256, size, dtype=np.uint8)
    checksum = Checksum()
    for piece in np.split(data, np.sort(RNG.integers(0, size + 1, 7))):
        checksum.add(piece.tobytes())
    padded = np.pad(data, (0, -size % 2880))
    assert checksum.value == int(fits.PrimaryHDU()._compute_checksum(padded))


def test_the_characters_are_those_of_astropy():
    for total in (0, 1, 0xFFFFFFFF, *RNG.integers(0, 2**32, 500).tolist()):
        assert encoded(total) == fits.PrimaryHDU()._char_encode(~total & 0xFFFFFFFF)


def test_sums_are_added_in_ones_complement():
    assert combined(0xFFFFFFFF, 1) == 1
    assert combined(2**31, 2**31, 5) == 6
