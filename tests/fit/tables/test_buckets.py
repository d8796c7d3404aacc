"""Spectra of any length in padded blocks: every one that can be fitted once, and nothing but padding beside it."""

import numpy as np
import pytest

from pipeline.fit.model.padding import LENGTHS, padded_length
from pipeline.fit.tables.buckets import FEW, averages, in_buckets
from pipeline.fit.tables.spectra import Spectrum, usable


def spectrum(bins, widths=0.1, **more):
    """Spectrum whose power tells its length."""
    edges = np.cumsum(np.concatenate([[0.1], np.broadcast_to(widths, bins)]))
    low, high = edges[:-1], edges[1:]
    given = {
        "frequency": (low + high) / 2,
        "frequency_lo": low,
        "frequency_hi": high,
        "power": np.full(bins, float(bins)),
        "n": np.full(bins, 10.0),
        "power_err": [],
        **more,
    }
    return Spectrum.of(given)


def filled(spectra, batch_size=100, **options):
    return in_buckets(spectra, [usable(s) for s in spectra], batch_size, **options)


@pytest.mark.parametrize("bins", [1, 64, 65, 4096, 4097, 9000])
def test_a_length_is_the_next_of_the_list_and_beyond_it_a_multiple_of_the_longest(bins):
    length = padded_length(bins)
    assert length >= bins
    assert length in LENGTHS or length % LENGTHS[-1] == 0
    assert all(other < bins for other in LENGTHS if other < length)


def test_spectra_are_together_by_length_and_likelihood():
    with_errors = {"n": [], "power_err": np.full(60, 3.0)}
    lengths = 60, 100, 20, 60, 60
    spectra = [spectrum(k) for k in lengths[:4]] + [spectrum(60, **with_errors)]
    found = {(b.likelihood, b.spectra.power.shape[0]): b for b in filled(spectra)}
    assert {key: b.lanes.tolist() for key, b in found.items()} == {
        ("gamma", 64): [0, 2, 3],
        ("gamma", 384): [1],
        ("gaussian", 64): [4],
    }
    for bucket in found.values():
        used = bucket.spectra.weight > 0
        assert used.sum(axis=0).tolist() == [lengths[lane] for lane in bucket.lanes]
        powers = np.where(used, bucket.spectra.power, 0.0).max(axis=0)
        assert powers.tolist() == [lengths[lane] for lane in bucket.lanes]
        for array in (bucket.spectra.frequency, bucket.spectra.power, bucket.widths):
            assert (array[~used] == 1).all()


def test_few_spectra_share_the_programs_of_the_next_length():
    few = filled([spectrum(300), spectrum(200), spectrum(301), spectrum(65), spectrum(64)])
    lengths = [(b.spectra.power.shape[0], b.lanes.tolist()) for b in few]
    assert lengths == [(64, [4]), (384, [0, 1, 2, 3])]
    many = filled([spectrum(200)] * (FEW + 1), batch_size=FEW + 1)
    assert [b.spectra.power.shape for b in many] == [(256, FEW + 1)]


def test_a_bucket_holds_no_more_than_a_batch_and_too_few_bins_are_in_none():
    found = filled([spectrum(k) for k in (50, 7, 50, 50)], batch_size=2)
    assert [b.lanes.tolist() for b in found] == [[0, 2], [3]]


def test_models_are_averaged_where_bins_differ_in_width_or_where_it_is_said():
    even, wide = spectrum(50), spectrum(50, np.geomspace(0.1, 1, 50))
    assert [averages(s, usable(s)) for s in (even, wide)] == [False, True]
    for average, expected in (("auto", [False, True]), (True, [True] * 2), (False, [False] * 2)):
        averaged = {
            int(lane): bucket.spectra.width is not None
            for bucket in filled([even, wide], average=average)
            for lane in bucket.lanes
        }
        assert [averaged[k] for k in (0, 1)] == expected
