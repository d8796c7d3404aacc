"""Places in the sky as numbers of HEALPix pixels in the nested scheme (Gorski et al. 2005, ApJ 622, 759)."""

import numpy as np

ORDER = 29
"""Deepest order: pixels of 0.4 milliarcseconds, whose numbers still fit into 64 bits."""


def pixels(ra: np.ndarray, dec: np.ndarray, order: int = ORDER) -> np.ndarray:
    """Return the pixels that positions lie in.

    Parameters
    ----------
    ra, dec : float array, shape (positions,)
        Right ascension and declination, degrees.
    order : int, optional
        The sky has ``12 * 4**order`` pixels.

    Returns
    -------
    int64 array, shape (positions,)
        Their numbers in the nested scheme.
    """
    face, x, y = _faces(np.mod(ra, 360.0) / 90.0, np.radians(dec), order)
    return (face << (2 * order)) | _spread(x) | (_spread(y) << 1)


def _faces(
    quarters: np.ndarray, dec: np.ndarray, order: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the base pixel of positions and the place inside it, in whole steps along its two sides.

    Parameters
    ----------
    quarters : float array
        Right ascension in quarters of the circle, from 0 to below 4.
    dec : float array
        Declination, radians.
    order : int
        A side has ``2**order`` steps.
    """
    side, z = 1 << order, np.sin(dec)
    # between the polar caps, where the rows of pixels are parallel to the equator: section 5.1
    up, along = side * (0.5 + quarters), side * (0.75 * z)
    falling, rising = (np.floor(v).astype(np.int64) for v in (up - along, up + along))
    of_falling, of_rising = falling >> order, rising >> order
    face = np.where(
        of_falling == of_rising,
        of_falling | 4,
        np.where(of_falling < of_rising, of_falling, of_rising + 8),
    )
    x, y = rising & (side - 1), side - 1 - (falling & (side - 1))
    # inside the polar caps; the cosine of the declination keeps the digits that 1 - |z| loses
    quarter = np.minimum(quarters.astype(np.int64), 3)
    within = quarters - quarter
    rows = side * np.cos(dec) / np.sqrt((1 + np.abs(z)) / 3)
    left, right = (np.minimum((v * rows).astype(np.int64), side - 1) for v in (within, 1 - within))
    is_north, is_cap = z >= 0, np.abs(z) > 2 / 3
    face = np.where(is_cap, np.where(is_north, quarter, quarter + 8), face)
    x = np.where(is_cap, np.where(is_north, side - 1 - right, left), x)
    y = np.where(is_cap, np.where(is_north, side - 1 - left, right), y)
    return face, x, y


def _spread(steps: np.ndarray) -> np.ndarray:
    """Put a zero between the bits of whole numbers below 2**29."""
    bits = steps.astype(np.int64)
    for shift, mask in (
        (16, 0x0000FFFF0000FFFF),
        (8, 0x00FF00FF00FF00FF),
        (4, 0x0F0F0F0F0F0F0F0F),
        (2, 0x3333333333333333),
        (1, 0x5555555555555555),
    ):
        bits = (bits | (bits << shift)) & mask
    return bits
