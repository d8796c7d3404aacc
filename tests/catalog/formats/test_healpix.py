"""Numbers of pixels are those of the HEALPix of others."""

import numpy as np
import pytest

from pipeline.catalog.formats.healpix import ORDER, pixels

# cdshealpix 0.9.0, order 29, nested: in the polar caps and between them
PUBLISHED = (
    (12.5, 45.3, 188785807643597128),
    (299.590315, 35.201606, 1029691836856498118),
    (288.798149, 10.945578, 2154875646498988631),
    (83.633212, 22.01446, 1701909093809658268),
    (0.1, -0.2, 1224975832022241609),
    (359.9, -41.8, 3266611215746621111),
    (180.0, -89.99, 2882303772791414912),
    (266.41684, -29.00781, 2028740913184737052),
)


def uniform(count, seed=1):
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 360, count), np.degrees(np.arcsin(rng.uniform(-1, 1, count)))


@pytest.mark.parametrize(("ra", "dec", "number"), PUBLISHED)
def test_pixels_are_those_of_another_implementation(ra, dec, number):
    assert pixels(np.array([ra]), np.array([dec])).tolist() == [number]


def test_pixels_have_one_area():
    """12 x 4^2 pixels hold the same number of uniform positions each, by chi-squared."""
    count = 400_000
    number = np.bincount(pixels(*uniform(count), order=2), minlength=192)
    expected = count / 192
    assert np.sum((number - expected) ** 2 / expected) < 191 + 5 * np.sqrt(2 * 191)


def test_a_pixel_is_part_of_one_of_the_order_before():
    positions = uniform(5000)
    deep = pixels(*positions)
    for order in range(ORDER):
        assert np.array_equal(pixels(*positions, order=order), deep >> 2 * (ORDER - order))


def test_positions_in_one_pixel_are_close():
    ra, dec = uniform(200_000)
    number, order = pixels(ra, dec, order=7), 7
    x = np.stack([np.cos(np.radians(dec)) * f(np.radians(ra)) for f in (np.cos, np.sin)])
    x = np.concatenate([x, [np.sin(np.radians(dec))]])
    sort = np.argsort(number, kind="stable")
    same = number[sort][1:] == number[sort][:-1]
    distance = np.linalg.norm(np.diff(x[:, sort], axis=1), axis=0)[same]
    assert same.sum() > 50_000
    assert distance.max() < 2.5 * np.sqrt(4 * np.pi / (12 * 4**order))


def test_right_ascension_goes_round():
    ra, dec = np.array([-0.5, 359.5, 719.5]), np.array([30.0, 30.0, 30.0])
    assert np.unique(pixels(ra, dec)).size == 1
