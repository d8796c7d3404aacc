"""How long segments are, and how much good time they use."""

import numpy as np
import pytest

from pipeline.config.base import ConfigError
from pipeline.config.segment import SegmentOptions
from pipeline.config.survey import validate
from pipeline.segment.intervals import lengths
from pipeline.segment.observation import Observations
from pipeline.segment.products.power_spectra.rows import product_rows
from pipeline.status import Flag, Status

OPTIONS = SegmentOptions(dt=1 / 16, max_bins=1024)


def _rows(*observations, **options):
    options = SegmentOptions(**(OPTIONS.model_dump() | options))
    return product_rows(Observations.held(observations), options)


def test_lengths_are_products_of_small_primes():
    found = lengths.smooth_numbers(1, 5000)
    expected = []
    for number in range(1, 5001):
        rest = number
        for prime in (2, 3, 5, 7):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            expected.append(number)
    assert found.tolist() == expected


@pytest.mark.parametrize(
    ("bins", "expected"),
    [
        ([100_000], 12500),
        ([8 * 16384], 16384),
        ([10**7], 16384),  # never longer than max_bins
        ([300, 300, 300, 300], 150),  # 2 in each; a segment does not cross a gap
        ([200], 100),  # 2 segments only, without a rest
        ([300], 75),  # 4 segments, not one of them shorter than min_bins
        ([100], 100),
        ([10], 64),  # none fits: the caller says so
    ],
)
def test_auto_takes_the_longest_segment_that_gives_enough_of_them(bins, expected):
    assert lengths.auto_bins(np.array(bins), 64, 16384, 8) == expected


def test_auto_without_a_good_length_in_its_range():
    assert lengths.auto_bins(np.array([1000]), 89, 89, 8) == 89


@pytest.mark.parametrize("min_segments", [1, 2, 8])
def test_auto_uses_nearly_all_of_a_single_interval(min_segments):
    """At least 96 %, for products of small primes lie close to one another."""
    for bins in np.random.default_rng(1).integers(800, 16_000, 200):
        size = lengths.auto_bins(np.array([bins]), 64, 16384, min_segments)
        assert bins // size * size >= (0.96 if bins > 1000 * min_segments else 0.93) * bins


def test_auto_gives_up_little_length_for_much_good_time():
    """Of intervals of 1,700 bins 1,024 would use 60 %, 840 uses 99 %."""
    assert lengths.auto_bins(np.full(40, 1200), 64, 1024, 8) == 1024  # 85 %, and none is better
    assert lengths.auto_bins(np.full(40, 1700), 64, 1024, 8) == 840


def test_whole_is_the_longest_interval(events):
    (row,) = _rows(events(gti=((0.0, 101.0), (200.0, 473.0))), segment_size="whole")
    assert (row["segment_size"], row["m"]) == (273.0, 1)
    assert row["longest_interval"] == 273.0
    assert row["flags"] & Flag.FEW_SEGMENTS


def test_whole_of_several_observations_is_where_most_time_is_used():
    assert lengths.whole_bins([[1000, 7], [990], [1010, 300], [20]]) == 990
    assert lengths.whole_bins([[100], [10]]) == 100
    assert lengths.whole_bins([[]]) == 0


def test_whole_of_nothing_is_too_short(events):
    (row,) = _rows(events(gti=((0.0, 1.0),)), segment_size="whole")
    assert row["status"] == Status.TOO_SHORT
    assert "segment.min_bins" in row["reason"]


def test_a_product_for_each_length(events):
    rows = _rows(events(gti=((0.0, 300.0),)), segment_size=[8, 64.0, 1000])
    assert [r["product"] for r in rows] == ["events/mission:8s", "events/mission:64s"]
    assert {r["series"] for r in rows} == {"events/mission"}
    assert [r["m"] for r in rows] == [37, 4]
    assert all("segments of 1000.0 s" in r["reason"] for r in rows)
    (row,) = _rows(events(gti=((0.0, 5.0),)), segment_size=[8, 64.0])
    assert (row["status"], row["product"]) == (Status.TOO_SHORT, "events/mission")


def test_several_lengths_are_those_of_one_few_and_many_segments(events):
    rows = _rows(events(gti=((0.0, 300.0),)), segment_size="several", max_bins=16384)
    assert [r["m"] for r in rows] == [1, 8, 64]
    rows = _rows(events(gti=((0.0, 10.0),)), segment_size="several")
    assert [(r["m"], r["segment_size"]) for r in rows] == [(1, 10.0), (2, 5.0)]


def test_products_of_other_bins_have_lengths_of_their_own(lightcurve):
    counts = np.random.default_rng(27).poisson(100, 1024).astype(float)
    rows = _rows(*(lightcurve(counts, dt=d) for d in (1.0, 4.0)), segment_size=[64, 512])
    assert [r["product"] for r in rows] == [
        *("lightcurve/mission:64s", "lightcurve/mission:512s"),
        *("lightcurve/mission:64s#2", "lightcurve/mission:512s#2"),
    ]
    assert [r["series"] for r in rows] == [
        *2 * ["lightcurve/mission"],
        *2 * ["lightcurve/mission#2"],
    ]


@pytest.mark.parametrize("size", [[], [4, 4], [4, -1], 0, "all"])
def test_lengths_that_are_none_are_refused(size):
    with pytest.raises(ConfigError, match="segment_size"):
        validate({"segment_size": size}, SegmentOptions)


def test_a_segment_too_long_to_be_transformed_is_a_reason(events):
    (row,) = _rows(events(gti_stop=np.array([1e7])), segment_size="whole", dt=1 / 256)
    assert row["status"] == Status.BAD_TIME
    assert "raise segment.dt" in row["reason"]
