"""Claims about the sources of the archive, made before a photon is drawn."""

from collections import Counter

import numpy as np
import pytest

from pipeline.config.segment import SegmentOptions
from pipeline.simulate import observatories
from pipeline.simulate.population import (
    DIALECTS,
    KINDS,
    REGIMES,
    designation,
    draw_source,
    position,
)


@pytest.fixture(scope="module")
def sources():
    return [draw_source(i, np.random.default_rng(i)) for i in range(60)]


def test_every_kind_of_source_is_there_in_every_dialect(sources):
    kinds = Counter((s.dialect, s.kind) for s in sources)
    assert set(kinds) == {(d, k) for d in DIALECTS for k in KINDS}
    assert min(kinds.values()) >= 2
    assert 85 <= sum(s.n_files for s in sources) <= 100


def test_names_are_unique():
    names = {designation(*position(i)) for i in range(20_000)}
    assert len(names) == 20_000
    assert designation(0.25, 1 + 2 / 60) == "SIM J0001+0102"
    assert designation(0.25, -0.5) == "SIM J0001-0030"


def test_rates_stay_positive_and_noise_rules_where_sampling_shows(sources):
    """The total rms is at most 25 %, and the noise at Nyquist's frequency well above the source."""
    for source in sources:
        unit = 1.0 / (REGIMES[source.dialect].segment_bins * source.dt)
        nyquist = REGIMES[source.dialect].nyquist * unit
        assert source.spectrum.variance(unit, nyquist) <= 0.25**2
        assert source.spectrum(nyquist) < 0.25 * source.noise


def test_parameters_are_those_the_survey_promises(sources):
    for source in sources:
        s = source.spectrum
        if source.kind == "qpo":
            assert 4.0 <= s.qpo_frequency / s.qpo_fwhm <= 12.0
        if source.kind in ("qpo", "power_law"):
            assert 0.8 <= s.slope <= 1.8
        if source.kind == "bending_power_law":
            assert 0.0 <= s.slope_low <= 1.0
            assert 2.0 <= s.slope <= 2.5
        assert s.is_white == (source.kind == "noise")


def test_segments_of_the_default_length_do_not_reach_below_the_floor(sources):
    """Segments one power of two longer are fewer than a survey aims at."""
    wanted = SegmentOptions().min_segments
    for source in sources:
        if source.dialect not in ("rate", "kepler"):
            continue
        repeated = source.n_files > 1
        segments = (
            observatories.CURVE_SEGMENTS_REPEATED if repeated else observatories.CURVE_SEGMENTS
        )
        assert source.n_files * sum(segments) >= wanted
        assert source.n_files * sum(k // 2 for k in segments) < wanted
        lowest = 1.0 / (REGIMES[source.dialect].segment_bins * source.dt)
        assert source.spectrum.floor_frequency < lowest
    longest = SegmentOptions().max_bins * SegmentOptions().dt
    assert longest == REGIMES["events"].segment_bins * REGIMES["events"].dt[0]


def test_the_name_is_spelt_with_an_underscore_in_every_other_observation():
    source = next(
        s
        for s in (draw_source(i, np.random.default_rng(i)) for i in range(60))
        if s.dialect == "power" and s.n_files > 1
    )
    spelt = [
        observatories.observe_source(source, k, np.random.default_rng(k)).hdus[1].header["OBJECT"]
        for k in range(2)
    ]
    assert spelt == [source.name, source.name.replace(" ", "_")]
    assert spelt[0] != spelt[1]
