"""Claims that the files hold what the truth says: the ground that tests of recovery stand on."""

from collections import defaultdict

import numpy as np
import pytest
from astropy.io import fits
from scipy import stats

from pipeline.simulate.spectra import PowerSpectrum

FIELDS = PowerSpectrum.__dataclass_fields__


def spectrum_of(row):
    """Return the power spectrum that a row of the truth describes."""
    values = {name: row[name] for name in FIELDS}
    return PowerSpectrum(**{**values, "amplitude": np.nan_to_num(row["amplitude"])})


def sound_files(archive, row):
    """Return the tables of the sound observations of a source, in days or seconds as written."""
    tables = []
    for path in sorted(archive.rglob("*.*")):
        if "_copy" in path.name or path.suffix not in (".evt", ".gz", ".lc", ".fits"):
            continue
        if path.read_bytes()[:1] == b"<" or (path.suffix != ".gz" and path.stat().st_size % 2880):
            continue
        with fits.open(path) as hdus:
            if hdus[1].header["OBJECT"].replace("_", " ") == row["object"]:
                tables.append([(h.header.copy(), h.data.copy()) for h in hdus[1:]])
    return tables[: row["n_files"]]


def segments_of_events(tables, dt, n):
    """Return rates in segments of `n` bins, from the start of each good time interval."""
    for (_, events), (_, gti) in tables:
        for start, stop in zip(gti["START"], gti["STOP"], strict=True):
            whole = int((stop - start) / (n * dt)) * n
            index = np.floor((events["TIME"] - start) / dt).astype(int)
            counts = np.bincount(index[(index >= 0) & (index < whole)], minlength=whole)
            yield counts.reshape(-1, n) / dt


def segments_of_curves(tables, dt, n):
    """Return rates in segments of `n` consecutive bins, lone bad bins bridged."""
    for (header, table), *_ in tables:
        name = "RATE" if "RATE" in table.names else "PDCSAP_FLUX"
        unit = 86400.0 if header["TIMEUNIT"] == "d" else 1.0
        good = np.isfinite(table[name]) & np.isfinite(table["TIME"])
        if name == "RATE":
            good &= table["FRACEXP"] > 0.5
        rate, time = table[name][good].astype(float), table["TIME"][good] * unit
        index = np.rint((time - time[0]) / dt).astype(int)
        breaks = np.flatnonzero(np.diff(index) > 2) + 1
        for i, r in zip(np.split(index, breaks), np.split(rate, breaks), strict=True):
            stretch = np.interp(np.arange(i[0], i[-1] + 1), i, r)
            yield stretch[: len(stretch) // n * n].reshape(-1, n)


def test_averaged_periodograms_of_the_files_are_the_injected_spectra(archive, truth):
    """Deviance and mean of power over model agree with chi-square scatter, kind by kind.

    Powers are in units of the mean rate of their observation. The lowest ordinate is left out: there
    the floor of the continuum is smeared out. The tolerance on the mean is four standard errors and,
    for leakage and the bridged bins, 1 %.
    """
    ratios, weights = defaultdict(list), defaultdict(list)
    for row in truth.values():
        if row["dialect"] == "power":
            continue
        dt, n = (1 / 256, 16384) if row["dialect"] == "events" else (None, 512)
        tables = sound_files(archive, row)
        assert len(tables) == row["n_files"]
        if dt is None:
            header = tables[0][0][0]
            dt = header["TIMEDEL"] * (86400.0 if header["TIMEUNIT"] == "d" else 1.0)
        split = segments_of_events if row["dialect"] == "events" else segments_of_curves
        observations = [np.concatenate(list(split([table], dt, n))) for table in tables]
        means = np.repeat([rate.mean() for rate in observations], [len(r) for r in observations])
        rate = np.concatenate(observations) / means[:, None]
        assert len(rate) >= 8
        power = 2.0 * dt / n * np.abs(np.fft.rfft(rate)[:, 2:-1]) ** 2
        frequency = np.arange(2, n // 2) / (n * dt)
        # Errors of a flux are the same however bright; the noise of counts is as the rate.
        fall = 2 if row["dialect"] == "kepler" else 1
        noise = row["noise"] * np.mean((row["mean_rate"] / means) ** fall)
        ratio = power.mean(axis=0) / (spectrum_of(row)(frequency) + noise)
        # As many ordinates of each source: the noise at high frequencies is not the point.
        ratios[row["kind"]].append(ratio[:150])
        weights[row["kind"]].append(np.full(150, len(rate)))
    assert set(ratios) == {"qpo", "power_law", "bending_power_law", "noise"}
    for kind in ratios:
        ratio, m = np.concatenate(ratios[kind]), np.concatenate(weights[kind])
        error = 1.0 / np.sqrt(m.sum())
        assert abs(np.average(ratio, weights=m) - 1.0) < 4.0 * error + 0.01, kind
        # Twice m (r - 1 - ln r) is close to chi-square with one degree of freedom, its mean to 1 + 1/6m.
        deviance = 2.0 * np.sum(m * (ratio - 1.0 - np.log(ratio)))
        expected = np.sum(1.0 + 1.0 / (6.0 * m))
        assert abs(deviance - expected) < 4.0 * np.sqrt(2.0 * expected), kind


def test_power_spectrum_files_scatter_about_the_injected_spectra(archive, truth):
    edges = fits.getdata(archive / "pds" / "powers.rmf", "EBOUNDS")
    low, high = edges["E_MIN"].astype(float), edges["E_MAX"].astype(float)
    probability = []
    for path in sorted(archive.glob("pds/*.pha")):
        table, header = fits.getdata(path, "SPECTRUM", header=True)
        if header["RESPFILE"] != "powers.rmf":
            continue
        row = truth[header["OBJECT"].replace("_", " ")]
        power = table["COUNTS"] / (high - low) + 2.0
        n = (power / (table["STAT_ERR"] / (high - low))) ** 2
        # Bins are narrow: the spectrum at the middle stands for its mean to a fraction of a per cent.
        model = spectrum_of(row)((low + high) / 2) * row["mean_rate"] + 2.0
        probability.append(stats.gamma.cdf(power, n, scale=model / n))
    assert stats.kstest(np.concatenate(probability), "uniform").pvalue > 1e-3


@pytest.mark.parametrize("name", ["slope", "bend_frequency", "qpo_frequency"])
def test_the_truth_is_nan_where_nothing_was_injected(truth, name):
    has = {
        "slope": {"qpo", "power_law", "bending_power_law"},
        "bend_frequency": {"bending_power_law"},
        "qpo_frequency": {"qpo"},
    }[name]
    for row in truth.values():
        assert np.isfinite(row[name]) == (row["kind"] in has)
