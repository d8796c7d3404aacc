"""Positions on the sky that are the same within a radius."""

import numpy as np

_RESOLUTION = 1e-6
"""Positions that differ by fewer degrees are one: an observatory repeats that of its target to the last digit."""


def close(ra: np.ndarray, dec: np.ndarray, radius: float) -> np.ndarray:
    """Return the pairs of positions that are within a radius of one another.

    Parameters
    ----------
    ra, dec : array, shape (N,)
        ICRS, deg.
    radius : float
        Arcseconds.

    Returns
    -------
    array of int, shape (pairs, 2)
        Places in `ra` and `dec`, the smaller one first.
    """
    if len(ra) < 2:
        return np.empty((0, 2), int)
    # imported here: it takes a quarter of a second, and hardly any worker needs it
    import astropy.units as u
    from astropy.coordinates import SkyCoord, search_around_sky

    sky = SkyCoord(ra * u.deg, dec * u.deg)
    first, second, *_ = search_around_sky(sky, sky, radius * u.arcsec)
    return np.column_stack([first, second])[first < second]


def groups(ra: np.ndarray, dec: np.ndarray, radius: float) -> np.ndarray:
    """Number the objects that positions belong to: friends of friends within a radius.

    Parameters
    ----------
    ra, dec, radius
        See `close`.

    Returns
    -------
    array of int, shape (N,)
        The object of each position. No position of one is within the radius of another's.
    """
    if not len(ra):
        return np.empty(0, int)
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    cells = np.round(np.column_stack([ra, dec]) / _RESOLUTION)
    _, place, cell = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    first, second = close(ra[place], dec[place], radius).T
    links = coo_array((np.ones(len(first)), (first, second)), shape=(len(place), len(place)))
    return connected_components(links, directed=False)[1][cell.ravel()]


def designation(ra: float, dec: float) -> str:
    """Return the name of a position: JHHMMSS.s+DDMMSS, cut and not rounded (IAU)."""
    tenths = int(ra / 15 * 36000 + 1e-6)
    hours, minutes, seconds = tenths // 36000, tenths // 600 % 60, tenths % 600
    arcsec = int(abs(dec) * 3600 + 1e-6)
    degrees, arcmin = arcsec // 3600, arcsec // 60 % 60
    sign = "-" if dec < 0 else "+"
    return (
        f"J{hours:02}{minutes:02}{seconds // 10:02}.{seconds % 10}"
        f"{sign}{degrees:02}{arcmin:02}{arcsec % 60:02}"
    )
