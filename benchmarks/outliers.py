"""Posterior-predictive checks: seconds each, whether their p-values are uniform, and which lines are found.

- The time of T_R, T_SSE and the outlier search of a spectrum of 250 bins with 1,000 simulations, each fitted
  again; the peer is Stingray's `calibrate_highest_outlier` (T_R of single bins alone) on one core, timed on a
  few simulations and scaled to 1,000. Beside it the mean time where draws end early.
- 1,000 sources (the first argument: another number) around their model: Kolmogorov and Smirnov's p of their
  p-values, spread over the steps between those that are possible, and the rates of false alarms.
- The fraction of 100 sources whose line, in a single ordinate, is found where it is at p < 0.01, against its
  power over the continuum.
"""

import sys
import time
import warnings

import numpy as np
from _common import report, simulate, spread
from scipy import stats

from pipeline.fit import Batch, Engine, Model, PowerSpectrum, configure, fit_model
from pipeline.fit.significance.predictive import check

GRID = np.linspace(0.1, 25.0, 250)
NULLS = {
    "power law": (["power_law", "constant"], [20.0, 1.4, 2.0]),
    "weak power law": (["power_law", "constant"], [1.0, 1.4, 2.0]),
    "bending power law": (["bending_power_law", "constant"], [20.0, 0.8, 2.4, 2.0, 2.0]),
}
DRAWS, ENOUGH, PEERS, BATCH = 1000, 20, 10, 32
ALPHAS = 0.01, 0.05
LINES = 6.0, 8.0, 10.0, 12.0, 15.0
"""Power of a line over the continuum, of which it adds an exponential draw."""


def checks(components, spectra, seed, **options):
    """Fit the model to every spectrum and check it; return also the seconds of the check."""
    model = Model.from_components("model", components)
    widths = np.full_like(spectra.power, GRID[1] - GRID[0])
    batch = Batch(Engine(PowerSpectrum(model)), spectra, widths)
    result = fit_model(batch)
    seeds = [[seed, k] for k in range(spectra.power.shape[1])]
    start = time.perf_counter()
    found = check(
        batch.on(Engine(PowerSpectrum(model), precision="float32")), result, seeds, **options
    )
    return found, time.perf_counter() - start


def drawn(name, n, sources, seed):
    """Spectra around a null model."""
    components, truth = NULLS[name]
    model = Model.from_components("truth", components)
    return simulate(model, truth, GRID, n, sources, np.random.default_rng(seed))[0]


def stingrays(spectra):
    """Seconds that Stingray's calibration takes, from a few simulations."""
    from astropy.modeling.models import Const1D, PowerLaw1D
    from stingray import Powerspectrum
    from stingray.modeling import PSDLogLikelihood, PSDParEst

    spectrum = Powerspectrum()
    spectrum.freq, spectrum.power = GRID, spectra.power[:, 0]
    spectrum.m, spectrum.df, spectrum.n, spectrum.norm = 1, GRID[1] - GRID[0], GRID.size, "leahy"
    truth = NULLS["power law"][1]
    model = PowerLaw1D(amplitude=truth[0], alpha=truth[1]) + Const1D(amplitude=truth[2])
    model.x_0_0.fixed = True
    likelihood = PSDLogLikelihood(GRID, spectra.power[:, 0], model, m=1)
    fit = PSDParEst(spectrum, max_post=False)
    start = time.perf_counter()
    with np.errstate():  # Stingray sets NumPy's for good
        fit.calibrate_highest_outlier(likelihood, truth, nsim=PEERS, seed=1)
    return (time.perf_counter() - start) / PEERS * DRAWS


def speed():
    """Print the lines of the time."""
    components = NULLS["power law"][0]
    spectra = drawn("power law", 1, BATCH, 3)
    checks(components, spectra, 0, draws=DRAWS, enough=DRAWS)
    seconds = [checks(components, spectra, k, draws=DRAWS, enough=DRAWS)[1] for k in range(3)]
    report(
        "outliers",
        f"T_R, T_SSE and outliers of a source: {DRAWS} simulations fitted again, 250 bins, n = 1, "
        f"{BATCH} sources at a time",
        "s a source",
        float(np.median(seconds)) / BATCH,
        peer=stingrays(spectra),
        peer_name=f"Stingray calibrate_highest_outlier, T_R alone, {PEERS} simulations scaled to {DRAWS}",
    )


def uniformity(sources):
    """Print a line for each null model and n."""
    for k, (name, (components, _)) in enumerate(NULLS.items()):
        for n in (1, 50):
            spectra = drawn(name, n, sources, 1000 * k + n)
            found, seconds = checks(components, spectra, 1000 * k + n, draws=DRAWS, enough=ENOUGH)
            p_values = {"t_r": found.p_t_r, "t_sse": found.p_t_sse, "outlier": found.p_outlier}
            there = np.isfinite(found.p_outlier.p_value)
            even = {k: spread(p, ENOUGH)[there] for k, p in p_values.items()}
            report(
                "outliers",
                f"p-values of {sources} sources around their model: {name} + constant, n = {n}",
                "least KS p of the three",
                min(float(stats.kstest(p, "uniform").pvalue) for p in even.values()),
                floor=0.01,
                floor_name="the least that is accepted",
                tested=int(there.sum()),
                ks={k: float(stats.kstest(p, "uniform").pvalue) for k, p in even.items()},
                mean={k: float(p.mean()) for k, p in even.items()},
                alarms={
                    k: [int((p.p_value[there] <= a).sum()) for a in ALPHAS]
                    for k, p in p_values.items()
                },
                alarms_of_trials=[int((found.window.p_trials[there] <= a).sum()) for a in ALPHAS],
                expected_alarms=[a * int(there.sum()) for a in ALPHAS],
                origins={o: int((found.origin == o).sum()) for o in sorted(set(found.origin))},
                draws=int(found.draws.sum()),
                failed=int(found.failed.sum()),
                seconds_a_source=seconds / sources,
            )


def power():
    """Print the fractions of lines that were found."""
    fractions, place = [], 100
    components, truth = NULLS["power law"]
    continuum = truth[0] * GRID[place] ** -truth[1] + truth[2]
    for k, line in enumerate(LINES):
        spectra = drawn("power law", 1, 100, 200 + k)
        spectra.power[place] += line * continuum
        found, _ = checks(components, spectra, k, draws=300, enough=ENOUGH)
        there = np.abs(found.window.frequency - GRID[place]) <= found.window.width / 2
        fractions.append(float((there & (found.p_outlier.p_value < 0.01)).mean()))
    report(
        "outliers",
        "fraction of 100 lines in one of 250 ordinates found at their frequency, p < 0.01, "
        "against their power over the continuum",
        "at the largest",
        fractions[-1],
        line=list(LINES),
        fraction=fractions,
    )


def main():
    """Print all lines."""
    warnings.simplefilter("ignore")
    configure()
    speed()
    uniformity(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
    power()


if __name__ == "__main__":
    main()
