"""Power colours and hue are those of Heil et al. 2015, and their errors cover."""

import itertools

import numpy as np
import pytest

from pipeline.segment.products.power_colors.bands import Band
from pipeline.segment.products.power_colors.colors import CENTRE, UNKNOWN, Color, color, hue

DRAWS = 400
SIGMA = np.sqrt(0.683 * 0.317 / DRAWS)


def _certain(variance):
    return Band(total=variance, noise=0.0, shape=1e9, noise_shape=1e9)


def _hue(first, second):
    """Hue of power colours that are known exactly."""
    return hue([_certain(1.0), _certain(second), _certain(first), _certain(1.0)])


def test_hue_is_zero_to_the_north_west_and_grows_clockwise():
    for angle, expected in (
        (135, 0),
        (90, 45),
        (45, 90),
        (0, 135),
        (-45, 180),
        (-90, 225),
        (180, 315),
    ):
        turn = np.radians(angle)
        first, second = CENTRE[0] * 10 ** np.cos(turn), CENTRE[1] * 10 ** np.sin(turn)
        assert _hue(first, second).value == pytest.approx(expected, abs=1e-6)


def test_hues_and_colours_equal_stingray(stingray):
    from stingray.power_colors import hue_from_power_color, power_color

    rng = np.random.default_rng(1)
    frequency = np.arange(1, 4200) / 256
    for slope in (0.5, 1.0, 1.5):
        power = rng.gamma(20, 1 / 20, len(frequency)) * frequency**-slope
        inverse, _, second, _ = power_color(frequency, power, m=20)
        first = 1 / inverse  # Stingray 2.3 divides the other way round, but not in its centre
        edges = (1 / 256, 1 / 32, 1 / 4, 2.0, 16.0)
        half = 0.5 / 256
        variance = [
            power
            @ np.clip(np.minimum(frequency + half, b) - np.maximum(frequency - half, a), 0, None)
            for a, b in itertools.pairwise(edges)
        ]
        bands = [_certain(v) for v in variance]
        assert color(bands[2], bands[0]).value == pytest.approx(first)
        assert color(bands[1], bands[3]).value == pytest.approx(second)
        theirs = np.degrees(hue_from_power_color(first, second)) % 360
        assert hue(bands).value == pytest.approx(theirs)


def _draws(variance, noise, shapes, seed):
    """Bands as they would be measured again and again; the totals from sums of exponential variates."""
    rng = np.random.default_rng(seed)
    for _ in range(DRAWS):
        yield [
            Band((v + n) * rng.exponential(1.0, s).mean(), n, s, s)
            for v, n, s in zip(variance, noise, shapes, strict=True)
        ]


@pytest.mark.parametrize(
    ("variance", "noise", "shapes"),
    [
        ((1.0, 1.0, 1.0, 1.0), (0.0, 0.0, 0.0, 0.0), (7, 56, 448, 3584)),
        ((1.0, 1.0, 1.0, 1.0), (0.01, 0.1, 1.0, 10.0), (7, 56, 448, 3584)),
        ((1.0, 2.0, 4.0, 2.0), (0.01, 0.1, 1.0, 10.0), (70, 560, 4480, 35840)),
        ((3.0, 1.0, 0.3, 0.2), (0.001, 0.01, 0.1, 1.0), (14, 112, 896, 7168)),
    ],
)
def test_errors_of_colours_and_hue_cover(variance, noise, shapes):
    """A single segment and ten, noise up to ten times the variance; within four binomial errors."""
    truth = _hue(variance[2] / variance[0], variance[1] / variance[3]).value
    covered = []
    for bands in _draws(variance, noise, shapes, 2):
        first, second, angle = color(bands[2], bands[0]), color(bands[1], bands[3]), hue(bands)
        off = (truth - angle.value + 180) % 360 - 180
        covered.append(
            (
                first.value - first.err_lo
                <= variance[2] / variance[0]
                <= first.value + first.err_hi,
                second.value - second.err_lo
                <= variance[1] / variance[3]
                <= second.value + second.err_hi,
                -angle.err_lo <= off <= angle.err_hi,
            )
        )
    assert np.abs(np.mean(covered, axis=0) - 0.683).max() < 4 * SIGMA


def test_there_is_no_hue_at_the_centre_and_it_covers_some_errors_off():
    """Colours known to 10 %; three errors off every other has a hue, whose errors are too small for a tenth."""
    published, covered = {}, {}
    for errors in (0.0, 3.0, 5.0):
        off = np.exp(errors * 0.1 / np.sqrt(2)) if errors else 1.0
        variance = (1.0, CENTRE[1] * off, CENTRE[0] * off, 1.0)
        truth = _hue(variance[2], variance[1]).value if errors else 0.0
        found = [hue(b) for b in _draws(variance, [0.0] * 4, [200] * 4, 3)]
        angles = [one for one in found if np.isfinite(one.value)]
        published[errors] = len(angles) / DRAWS
        away = [(truth - one.value + 180) % 360 - 180 for one in angles]
        covered[errors] = np.mean(
            [-one.err_lo <= a <= one.err_hi for one, a in zip(angles, away, strict=True)]
        )
    assert published[0.0] < 0.05
    assert published[5.0] > 0.95
    assert covered[5.0] == pytest.approx(0.683, abs=4 * SIGMA)
    assert covered[3.0] > 0.5


def test_a_band_without_excess_makes_a_limit():
    noise = Band(1.0, 1.0, 500.0, 500.0)
    upper, lower = color(noise, _certain(2.0)), color(_certain(2.0), noise)
    assert np.isnan([upper.value, lower.value]).all()
    assert 0 < upper.limit < 0.1
    assert not upper.limit_is_lower
    assert lower.limit > 20
    assert lower.limit_is_lower
    assert color(noise, noise) == color(None, noise) == color(_certain(1.0), None) == UNKNOWN
    assert np.isnan(hue([noise] * 4).value)
    assert np.isnan(hue([None, *[_certain(1.0)] * 3]).value)
    assert isinstance(upper, Color)


@pytest.mark.parametrize("weak", [0, 1])
def test_limits_of_colours_hold_in_95_percent(weak):
    """The variance of one band is a tenth of the error of its noise."""
    held = []
    for bands in _draws((1.0, 0.03), (0.1, 1.0), (500, 12), 4):
        pair = (bands[1], bands[0]) if weak else (bands[0], bands[1])
        found = color(*pair)
        if np.isfinite(found.limit):
            truth = 0.03 if weak else 1 / 0.03
            held.append(found.limit <= truth if found.limit_is_lower else found.limit >= truth)
    assert len(held) > 0.95 * DRAWS
    assert np.mean(held) > 0.95 - 4 * np.sqrt(0.05 * 0.95 / DRAWS)
