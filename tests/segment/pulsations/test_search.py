"""Strictly periodic signals are told from noise and from QPOs, and their frequency is that of the pulse."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from scipy.special import ive

from pipeline.columns.ingest import INGEST
from pipeline.config.segment import SegmentOptions
from pipeline.segment.intervals.series import Events
from pipeline.segment.observation import Observations, observation
from pipeline.segment.products.power_spectra.rows import product_rows
from pipeline.segment.pulsations import phases, pulses
from pipeline.segment.pulsations import search as search_module
from pipeline.segment.pulsations.folding import Series
from pipeline.segment.pulsations.search import candidates, search
from pipeline.simulate.timmer_koenig import series as noise
from pipeline.status import Flag
from pipeline.tables import empty_row

SHARED = Path(__file__).parents[4] / "shared" / "data" / "archive"
STEP = 1 / 32
SEGMENT = 32.0


def sinusoid(phase, amplitude=0.3):
    return 1 + amplitude * np.sin(phase)


def sharp(phase):
    """A pulse of a tenth of the period, 40 % of the counts."""
    return 0.6 + 0.4 * np.exp(20 * (np.cos(phase) - 1)) / 0.0897


def double(phase):
    """Two pulses a period, one a little stronger: most power in the second harmonic."""
    return 1 + 0.3 * np.cos(2 * phase) + 0.15 * np.cos(phase - 1)


def pulsar(rng, profile, frequency, gti=((0.0, 600.0),), rate=50.0, rates=None):
    """Arrival times of a Poisson process, by rejection: no histogram, no Fourier transform."""
    times = []
    for (start, stop), level in zip(gti, rates or [rate] * len(gti), strict=True):
        time = rng.uniform(start, stop, rng.poisson(6 * level * (stop - start)))
        chance = profile(2 * np.pi * frequency * time) / 6
        assert chance.max() <= 1
        times.append(time[rng.random(len(time)) < chance])
    return np.sort(np.concatenate(times))


def modulated(rng, density, span=600.0, rate=100.0):
    """Arrival times of a source with Gaussian noise of a power density."""
    curve = 1 + noise(density, round(span / STEP), STEP, rng)
    counts = rng.poisson(np.clip(curve, 0, None) * rate * STEP)
    return np.sort((np.repeat(np.arange(len(curve)), counts) + rng.random(counts.sum())) * STEP)


def find(time, gti=((0.0, 600.0),), alpha=1e-3):
    start, stop = np.transpose(gti)
    n_bin = round(SEGMENT / STEP)
    averaged = Events.cut(time, start, stop, STEP).average(n_bin)
    frequency = np.arange(1, n_bin // 2 + 1) / SEGMENT
    row = {"kind": "events", "time": time, "gti_start": start, "gti_stop": stop, "dt": 0.0}
    one = observation(empty_row(INGEST) | row)
    return pulses.of_observation(one, averaged, frequency, SEGMENT, alpha)


def p_value(pulse):
    return 1.0 if pulse is None else pulse.p_value


class TestAgreement:
    def test_is_conservative_whatever_the_lengths_of_the_steps(self):
        rng = np.random.default_rng(1)
        for step in (np.ones(10), rng.exponential(size=30), np.array([10.0, 3, 1, 1, 1, 1])):
            turn = np.exp(2j * np.pi * rng.random((len(step), 4000)))
            log_p = phases.agreement(step[:, None] * turn)
            for level in (0.1, 0.01):
                assert np.mean(log_p <= np.log(level)) <= level

    def test_grows_with_the_number_of_blocks_that_agree(self):
        log_p = [phases.agreement(np.exp(0.2j * (np.arange(n) % 3))) for n in (4, 8, 16, 64)]
        assert np.all(np.diff(log_p) < -5)
        assert phases.agreement(np.ones(1)) == pytest.approx(0, abs=1e-6)
        assert phases.agreement(np.zeros(3)) == 0

    def test_is_the_least_of_all_concentrations_that_are_tried(self):
        """The minimum is found by bisection: on the same grid, every value is compared here."""
        rng = np.random.default_rng(2)
        kappa = np.geomspace(1e-2, 1e5, 141)
        for agree in (0.0, 0.5, 3.0, 30.0):
            step = rng.exponential(size=(60, 50)) ** rng.uniform(0, 4, 50)
            phasors = step * np.exp(1j * rng.vonmises(0, agree, step.shape))
            step = step / np.sqrt(np.sum(step**2, axis=0))
            total = np.abs(np.sum(phasors, axis=0)) / np.sqrt(np.sum(np.abs(phasors) ** 2, axis=0))
            log_i0 = [np.log(ive(0, k * step)) + k * step for k in kappa]
            bound = [x.sum(axis=0) for x in log_i0] - (
                np.log(ive(0, np.outer(kappa, total))) + np.outer(kappa, total)
            )
            expected = np.minimum(bound.min(axis=0), 0)
            np.testing.assert_allclose(phases.agreement(phasors), expected, rtol=1e-10, atol=1e-10)

    def test_is_skipped_only_where_it_is_certainly_larger(self):
        rng = np.random.default_rng(3)
        skipped = 0
        for agree in (0.0, 0.3, 1.0, 3.0):
            for number in (3, 12, 100):
                step = rng.exponential(size=(number, 200))
                phasors = step * np.exp(1j * rng.vonmises(0, agree, step.shape))
                log_p = phases.agreement(phasors)
                for k in range(200):
                    if not phases.may_agree(phasors[:, k], np.abs(phasors[:, k].sum()), -4.0):
                        skipped += 1
                        assert log_p[k] > -4
        assert skipped > 1000

    def test_a_sum_between_two_frequencies_is_at_most_so_much_larger(self):
        """For the worst of many random phasors, at frequencies fifty times as close."""
        rng = np.random.default_rng(4)
        for number in (2, 3, 8, 33):
            phasors = rng.normal(size=(500, number)) + 1j * rng.normal(size=(500, number))
            coarse, fine = (
                np.abs(np.fft.fft(phasors, n)).max(axis=1) for n in (4 * number, 200 * number)
            )
            bound = 1 / np.cos((number - 1) * np.pi / (8 * number))
            assert 1.01 < np.max(fine / coarse) < bound < search_module._INTERPOLATED

    def test_phasors_of_a_steady_rate_are_those_of_many_events(self):
        """Of 1e6 events spread evenly, to a part in a million of their number."""
        time = (np.arange(1_000_000) + 0.5) / 1e4
        pieces = phases.pieces(time, np.array([0.0]), np.array([100.0]), 7.0, 30.0)
        steady = pieces.phasors(0.123, 7.0, 15)
        np.testing.assert_allclose(steady, phases.cell_phasors(time, None, 0.123, 7.0, 15), atol=2)
        assert pieces.counts.sum() == pytest.approx(1e6)

    def test_a_folded_profile_has_the_phasors_of_its_harmonics(self):
        time = pulsar(np.random.default_rng(2), sharp, 0.7)
        folded = phases.folded_phasors(time, None, 0.7, 50.0, 12, 8)
        for k in range(1, 9):
            each = phases.cell_phasors(time, None, 0.7 * k, 50.0, 12)
            # 2,500 events in a cell, the phase of each known to 1 / 128: errors of 0.014 k, 6 sigmas
            np.testing.assert_allclose(folded[:, k - 1], each, atol=6 * 0.014 * k * 50)


class TestPulse:
    @pytest.mark.parametrize("frequency", [0.5, 3.7123, 11.3])
    def test_of_a_sinusoid_has_its_frequency_and_fraction(self, frequency):
        pulse = find(pulsar(np.random.default_rng(3), sinusoid, frequency))
        assert pulse.p_value < (1e-3 if frequency == 0.5 else 1e-6)  # 0.5: 300 cycles
        assert abs(pulse.frequency - frequency) < 4 * pulse.frequency_err < 1 / 600
        assert abs(pulse.fraction - 0.3 / np.sqrt(2)) < 4 * pulse.fraction_err
        assert pulse.harmonics <= 2  # where noise adds one to H

    def test_of_a_sharp_profile_has_many_harmonics_and_a_smaller_error(self):
        rng = np.random.default_rng(4)
        pulse = find(pulsar(rng, sharp, 0.8))
        smooth = find(pulsar(rng, sinusoid, 0.8))
        assert abs(pulse.frequency - 0.8) < 4 * pulse.frequency_err
        assert pulse.harmonics > 3
        assert pulse.frequency_err < smooth.frequency_err / 2

    @pytest.mark.parametrize("frequency", [0.6, 2.345])
    def test_is_not_its_strongest_harmonic(self, frequency):
        pulse = find(pulsar(np.random.default_rng(5), double, frequency))
        assert abs(pulse.frequency - frequency) < 4 * pulse.frequency_err
        assert pulse.fraction == pytest.approx(np.sqrt(0.3**2 + 0.15**2) / np.sqrt(2), rel=0.1)

    def test_keeps_its_phase_over_gaps_between_orbits(self):
        gti = [(5600.0 * i + 100 * (i % 3), 5600.0 * i + 100 * (i % 3) + 120) for i in range(14)]
        time = pulsar(np.random.default_rng(6), double, 0.7, gti)
        pulse = find(time, gti)
        assert abs(pulse.frequency - 0.7) < 4 * pulse.frequency_err < 1e-5

    def test_is_found_in_a_light_curve(self):
        """In bins of counts, and of fluxes with errors."""
        rng = np.random.default_rng(7)
        edges = np.arange(0, 3000, 0.5)
        counts = np.histogram(pulsar(rng, sinusoid, 0.31, ((0.0, 3000.0),)), edges)[0]
        middle, n_bin = (edges[1:] + edges[:-1]) / 2, 256
        whole = counts[: len(counts) // n_bin * n_bin].reshape(-1, n_bin)
        power = np.mean(np.abs(np.fft.rfft(whole, axis=1)[:, 1:]) ** 2, axis=0)
        frequency = np.arange(1, n_bin // 2 + 1) / (n_bin * 0.5)
        for factor in (2.0, 2e-12):
            rate, variance = counts * factor, counts.mean() * factor**2
            series = Series.bins(middle, rate, variance, 0.5, n_bin * 0.5)
            pulse = search(series, frequency, power, len(whole), 1e-4)
            assert abs(pulse.frequency - 0.31) < 4 * pulse.frequency_err
            assert abs(pulse.fraction - 0.3 / np.sqrt(2)) < 4 * pulse.fraction_err


class TestNoPulse:
    def test_peaks_of_noise_are_few(self):
        rng = np.random.default_rng(8)
        found = [len(candidates(rng.gamma(20, 1 / 20, 2000), 20)) for _ in range(50)]
        assert np.mean(found) == pytest.approx(3, abs=1)

    def test_steps_of_the_rate_between_good_times_are_none(self):
        """Ten to one hundred counts a second, and gaps in step with them."""
        gti = [(300.0 * i, 300.0 * i + 200) for i in range(10)]
        rates = [10.0 + 90 * (i % 2) for i in range(10)]
        for seed in range(5):
            time = pulsar(np.random.default_rng(seed), np.ones_like, 1.0, gti, rates=rates)
            assert p_value(find(time, gti)) > 1e-3

    @pytest.mark.parametrize("q", [10, 25, 50])
    def test_a_qpo_is_none(self, q):
        """Of an rms of 20 %: far above the noise, and found as a peak each time."""
        width = 3.0 / q
        p_values = []
        for seed in range(12):
            time = modulated(
                np.random.default_rng([seed, q]),
                lambda f: 0.04 * width / 2 / np.pi / ((f - 3.0) ** 2 + width**2 / 4),
            )
            p_values.append(p_value(find(time)))
        assert min(p_values) > 1e-3

    @pytest.mark.parametrize("q", [300, 1000])
    def test_a_phase_that_wanders_slowly_is_none(self, q):
        """A sine of 30 % whose phase keeps for many cycles, but not for the observation (Lorentzian of Q)."""
        cells = np.arange(0, 600, 0.01)
        for seed in range(8):
            rng = np.random.default_rng([seed, q])
            drift = rng.normal(0, np.sqrt(2 * np.pi * 3.0 / q * 0.01), len(cells)).cumsum()
            rate = 100 * (1 + 0.3 * np.sin(2 * np.pi * 3.0 * cells + drift))
            counts = rng.poisson(rate * 0.01)
            time = np.sort(
                (np.repeat(np.arange(len(cells)), counts) + rng.random(counts.sum())) * 0.01
            )
            assert p_value(find(time)) > 1e-3

    @pytest.mark.parametrize("slope", [1.0, 2.0])
    def test_red_noise_is_none(self, slope):
        p_values = [
            p_value(find(modulated(np.random.default_rng(seed), lambda f: 0.003 * f**-slope)))
            for seed in range(12)
        ]
        assert min(p_values) > 1e-3

    @pytest.mark.slow
    @pytest.mark.parametrize("q", [None, 10, 50])
    def test_p_values_are_conservative(self, q):
        """Poisson noise and QPOs; within 3 binomial sigmas."""
        draws = 300
        width = 3.0 / (q or 1)
        p_values = np.empty(draws)
        for seed in range(draws):
            rng = np.random.default_rng([seed, q or 0])
            if q:
                time = modulated(
                    rng, lambda f: 0.02 * width / 2 / np.pi / ((f - 3.0) ** 2 + width**2 / 4)
                )
            else:
                time = pulsar(rng, np.ones_like, 1.0)
            p_values[seed] = p_value(find(time))
        for level in (0.1, 0.03, 0.01):
            sigma = np.sqrt(level * (1 - level) / draws)
            assert np.mean(p_values <= level) <= level + 3 * sigma


@pytest.mark.parametrize(
    ("profile", "draws"),
    [(sinusoid, 60), pytest.param(sharp, 200, marks=pytest.mark.slow)],
)
def test_the_errors_of_frequency_and_fraction_cover(profile, draws):
    """68.3 % within 3 binomial sigmas; that of the fraction is larger where most counts are pulsed."""
    phase = np.linspace(0, 2 * np.pi, 4096, endpoint=False)
    shape = profile(phase)
    truth = np.array([1.7, np.std(shape) / shape.mean()])
    inside = []
    for seed in range(draws):
        pulse = find(pulsar(np.random.default_rng(seed), profile, 1.7))
        found = np.array([pulse.frequency, pulse.fraction])
        error = np.array([pulse.frequency_err, pulse.fraction_err])
        inside.append(np.abs(found - truth) < error)
    sigma = np.sqrt(0.683 * 0.317 / draws)
    off = np.mean(inside, axis=0) - 0.683
    assert np.all(off > -3 * sigma)
    assert off[0] < 3 * sigma
    assert off[1] < (0.2 if profile is sharp else 3 * sigma)


class TestRows:
    OPTIONS = SegmentOptions(dt=STEP, segment_size=SEGMENT)

    def row(self, events, time, options=OPTIONS, **more):
        observation = events(rate=0.1, gti=((0.0, 600.0),), time=time, **more)
        (row,) = product_rows(Observations.held([observation]), options)
        return row

    def test_have_the_pulse_and_a_spectrum_without_it(self, events):
        time = pulsar(np.random.default_rng(9), double, 2.345)
        row = self.row(events, time)
        assert row["flags"] & Flag.PULSATION
        assert abs(row["pulse_frequency"] - 2.345) < 4 * row["pulse_frequency_err_lo"]
        assert row["pulse_p_value"] < 1e-6
        assert row["pulse_harmonics"] == 2
        assert row["rms"] > 0.2  # of all that varies
        noise = row["noise"]
        assert row["power"].max() < noise * (1 + 6 / np.sqrt(row["n"][np.argmax(row["power"])]))
        spoiled = [((row["frequency_lo"] < f) & (row["frequency_hi"] > f)) for f in (2.345, 4.69)]
        plain = self.row(events, time, self.OPTIONS.model_copy(update={"pulsations": None}))
        assert plain["power"].max() > 5 * noise
        assert row["n"].sum() < plain["n"].sum()
        assert all(np.sum(s) <= 1 for s in spoiled)
        assert np.isnan(plain["pulse_p_value"])
        assert not plain["flags"] & Flag.PULSATION

    def test_have_a_p_value_where_no_pulse_was_found(self, events):
        time = modulated(
            np.random.default_rng(10), lambda f: 0.04 * 0.2 / np.pi / ((f - 3) ** 2 + 0.04)
        )
        row = self.row(events, time)
        assert row["pulse_p_value"] > 1e-3
        assert np.isnan(row["pulse_frequency"])
        assert row["pulse_harmonics"] == 0
        assert not row["flags"] & Flag.PULSATION

    def test_of_an_average_allow_for_the_observations_searched(self, events):
        rng = np.random.default_rng(11)
        gti = ((0.0, 600.0),)
        pulsed = events(
            observation_id="a", gti=gti, time=pulsar(rng, sinusoid, 1.7), exposure=100.0
        )
        steady = events(observation_id="b", gti=gti)
        both = [pulsed, steady]
        (row,) = product_rows(Observations.held(both), self.OPTIONS)
        (alone,) = product_rows(Observations.held([pulsed]), self.OPTIONS)
        assert row["pulse_frequency"] == alone["pulse_frequency"]
        assert row["pulse_p_value"] in (alone["pulse_p_value"], 2 * alone["pulse_p_value"])


@pytest.mark.parametrize(
    ("file", "frequency", "reach"),
    [
        ("nicer/ni1020600110_bary.evt", 0.143283, 1e-6),  # most power is at twice that
        ("rxte/B1509_RXTE_short.fits", 6.5957, 1e-3),  # not barycentred: 1e-4 of it
    ],
)
def test_pulsars_of_the_archive_have_their_published_frequencies(file, frequency, reach):
    if not (SHARED / file).is_file():
        pytest.skip("no real data beside this checkout (../shared/data)")
    with fits.open(SHARED / file) as hdus:
        time = np.sort(hdus[1].data["TIME"].astype(float))
        gti = [[float(row[0]), float(row[1])] for row in hdus["GTI"].data]
    first = min(start for start, _ in gti)
    pulse = find(time - first, np.array(gti) - first)
    assert abs(pulse.frequency - frequency) < reach
    assert pulse.p_value < 1e-9
