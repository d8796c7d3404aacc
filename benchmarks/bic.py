"""The sample size of the Bayesian information criterion: ordinates, or bins.

The same averaged periodograms, 16 segments of 4,096 frequencies each, as they are and averaged into bins that
widen with frequency, fitted with and without a Lorentzian. For each sample size: in how many spectra the
choice is the same before and after the averaging, how often a Lorentzian is found that is not there, and one
that is. The number of spectra of each kind is the first argument.
"""

import sys

import numpy as np
from _common import report

from pipeline.fit import Batch, Engine, Model, PowerSpectrum, Spectra, configure, fit_model
from pipeline.fit.search.choice import best_model
from pipeline.segment.spectrum.rebin import logarithmic

SEGMENTS, FREQUENCIES, LENGTH, REBIN = 16, 4096, 128.0, 0.02
NULL = Model.from_components("null", ["constant", "power_law"])
PEAK = Model.from_components("peak", ["constant", "power_law", "lorentzian"])
RED = [2.0, 0.2, 1.3]
QPOS = {"none": 0.0, "weak": 0.25, "middling": 0.4, "strong": 0.7}
"""Variance of a Lorentzian at 5 Hz, FWHM 0.5 Hz, beside a noise of 2."""


def drawn(variance, spectra, rng):
    """Return frequencies and powers, shape (frequencies, spectra), averaged over the segments."""
    frequency = np.arange(1, FREQUENCIES + 1) / LENGTH
    peak = variance * 0.25 / np.pi / (0.25**2 + (frequency - 5) ** 2)
    expected = (RED[0] + RED[1] * frequency ** -RED[2] + peak)[:, None]
    return frequency, rng.gamma(SEGMENTS, expected / SEGMENTS, (FREQUENCIES, spectra))


def averaged(frequency, power):
    """Return spectra and widths of wider bins."""
    ones = np.ones_like(frequency)
    parts = [logarithmic(frequency, ones, p, SEGMENTS, 1 / LENGTH, REBIN) for p in power.T]
    frequency, power, n = (
        np.stack([getattr(p, name) for p in parts], axis=1) for name in ("frequency", "power", "n")
    )
    width = np.stack([p.frequency_hi - p.frequency_lo for p in parts], axis=1)
    return Spectra(frequency, power, n), width


def as_it_is(frequency, power):
    """Return spectra and widths of the raw frequencies."""
    grid = np.repeat(frequency[:, None], power.shape[1], axis=1)
    return Spectra(grid, power, np.full_like(power, SEGMENTS)), np.full_like(power, 1 / LENGTH)


def with_peak(spectra, widths):
    """Return by sample size whether the model with the peak is chosen, and the number of bins."""
    fits = [
        fit_model(Batch(Engine(PowerSpectrum(model)), spectra, widths)) for model in (NULL, PEAK)
    ]
    deviance = np.array([f.statistic for f in fits])
    n_free = np.array([f.n_free for f in fits])
    bins, known = len(spectra.power), np.isfinite(deviance)
    sizes = {"ordinates": spectra.weight.sum(axis=0), "bins": bins}
    return {
        name: best_model(known, n_free, deviance + n_free * np.log(n)) == 1
        for name, n in sizes.items()
    }, bins


def main():
    """Print a line for each strength of the peak."""
    spectra = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    configure()
    for seed, (name, variance) in enumerate(QPOS.items()):
        data = drawn(variance, spectra, np.random.default_rng(seed))
        raw, many = with_peak(*as_it_is(*data))
        wide, few = with_peak(*averaged(*data))
        report(
            "bic",
            f"{name} Lorentzian, variance {variance:g}: found by ordinates in {few} bins",
            "fraction",
            float(wide["ordinates"].mean()),
            spectra=spectra,
            found={
                f"{size}, {bins} bins": float(which[size].mean())
                for size in raw
                for which, bins in ((raw, many), (wide, few))
            },
            same_choice={size: float((raw[size] == wide[size]).mean()) for size in raw},
        )


if __name__ == "__main__":
    main()
