"""Calibrated p-values of a peak: seconds each, whether they are uniform, and how often peaks are found.

- The time of one p-value with 1,000 simulations, a fit without and one with the peak in each, for a
  spectrum of 250 bins; the peer is Stingray's `calibrate_lrt` on one core, timed on a few simulations and
  scaled to 1,000.
- 2,000 sources (the first argument: fewer) without a peak: Kolmogorov and Smirnov's p of their p-values, spread over
  the steps between those that are possible, and the rate of false alarms at 0.01.
- The fraction of 100 sources found at p < 0.01 against the amplitude of a peak, and a figure of it in
  `docs/detection_power.svg` if the second argument is its folder.
"""

import sys
import time
import warnings
from pathlib import Path
from statistics import median

import numpy as np
from _common import report, simulate, spread
from scipy import stats

from pipeline.config import ComponentOptions
from pipeline.fit import Engine, Model, configure, fit_model
from pipeline.fit.detect import detect_peak, peak_to_test

GRID = np.linspace(0.1, 25.0, 250)
RED, BENT = ["power_law", "constant"], ["bending_power_law", "constant"]
NULLS = {
    "power law": (RED, [1.0, 1.4, 2.0]),
    "bending power law": (BENT, [20.0, 0.8, 2.4, 2.0, 2.0]),
}
DRAWS, ENOUGH, PEERS = 1000, 20, 3
AMPLITUDES = 0.0, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0
"""Variance of the peak at 6 Hz, FWHM 0.6 Hz, beside noise of level 2 and n = 50."""
ALPHA = 0.01
MIN_Q = 2.0


def tests(components, spectra, seed, **options):
    """Test every spectrum for a Lorentzian beside the components."""
    widths = np.full_like(spectra.power, GRID[1] - GRID[0])
    null = fit_model(Engine(Model.from_components("null", components)), spectra, widths)
    peak = Model.from_components("peak", [*components, "lorentzian"])
    engine = Engine(peak, precision="float32")
    seeds = [[seed, k] for k in range(spectra.power.shape[1])]
    start = time.perf_counter()
    found = detect_peak(engine, spectra, widths, null, seeds, **options)
    return found, time.perf_counter() - start


def drawn(components, truth, n, sources, seed):
    """Spectra around a model."""
    model = Model.from_components("truth", components)
    return simulate(model, truth, GRID, n, sources, np.random.default_rng(seed))[0]


def stingrays(spectra):
    """Seconds that Stingray's calibration of one ratio takes, from a few simulations."""
    from astropy.modeling.models import Const1D, Lorentz1D, PowerLaw1D
    from stingray import Powerspectrum
    from stingray.modeling import PSDLogLikelihood, PSDParEst

    spectrum = Powerspectrum()
    spectrum.freq, spectrum.power = GRID, spectra.power[:, 0]
    spectrum.m, spectrum.df, spectrum.n, spectrum.norm = 50, GRID[1] - GRID[0], GRID.size, "leahy"
    null = PowerLaw1D(amplitude=1.0, alpha=1.4) + Const1D(amplitude=2.0)
    null.x_0_0.fixed = True
    peak = Lorentz1D(amplitude=0.2, x_0=6.0, fwhm=0.6) + null
    peak.x_0_1.fixed = True
    fit = PSDParEst(spectrum, fitmethod="L-BFGS-B", max_post=False)
    told = PSDLogLikelihood(spectrum.freq, spectrum.power, null, m=50), [1.0, 1.4, 2.0]
    more = PSDLogLikelihood(spectrum.freq, spectrum.power, peak, m=50), [0.2, 6.0, 0.6, *told[1]]
    sample = np.tile(told[1], (PEERS, 1))
    start = time.perf_counter()
    fit.calibrate_lrt(*told, *more, sample=sample, nsim=PEERS, seed=1)
    return (time.perf_counter() - start) / PEERS * DRAWS


def speed():
    """Print the line of one p-value."""
    spectra = drawn(RED, NULLS["power law"][1], 50, 1, 3)
    seconds = [tests(RED, spectra, 1, draws=DRAWS, enough=DRAWS)[1] for _ in range(8)][1:]
    report(
        "detection",
        f"one p-value: {DRAWS} simulations x 2 models, 250 bins, 6 parameters",
        "s",
        median(seconds),
        peer=stingrays(spectra),
        peer_name=f"Stingray calibrate_lrt, one core, {PEERS} simulations scaled to {DRAWS}",
        target=0.5,
    )


def uniformity(sources):
    """Print a line for each null model and n."""
    for name, (components, truth) in NULLS.items():
        for n in (1, 50):
            spectra = drawn(components, truth, n, sources, 100 + n)
            found, seconds = tests(components, spectra, n, draws=DRAWS, enough=ENOUGH)
            there = np.isfinite(found.p_value)
            alarms = int((found.p_value[there] <= ALPHA).sum())
            report(
                "detection",
                f"p-values of {sources} sources without a peak: {name} + constant, n = {n}",
                "KS p",
                float(stats.kstest(spread(found, ENOUGH)[there], "uniform").pvalue),
                floor=0.01,
                floor_name="the least that is accepted",
                tested=int(there.sum()),
                false_alarms=alarms,
                expected_alarms=ALPHA * int(there.sum()),
                binomial_p=float(stats.binomtest(alarms, int(there.sum()), ALPHA).pvalue),
                draws=int(found.draws.sum()),
                failed=int(found.failed.sum()),
                seconds=seconds,
            )


def uniformity_among_peaks(sources):
    """Print the line of sums of broad Lorentzians, where the strongest narrow one, or one more, is tested."""
    broad = ["constant", "lorentzian", "lorentzian"]
    spectra = drawn(broad, [2.0, 8.0, 0.5, 1.0, 30.0, 7.0, 8.0], 50, sources, 300)
    told = [ComponentOptions.model_validate(c) for c in ("constant", {"lorentzian": {"up_to": 4}})]
    model = Model.from_components("sum", told)
    widths = np.full_like(spectra.power, GRID[1] - GRID[0])
    result = fit_model(Engine(model), spectra, widths, min_delta_bic=10)
    slots, p_value = peak_to_test(result, MIN_Q), np.full(sources, np.nan)
    engine = Engine(model, precision="float32")
    for slot in np.unique(slots[slots >= 0]):
        lanes = np.flatnonzero(slots == slot)
        found = detect_peak(
            engine,
            spectra.take(lanes),
            widths[:, lanes],
            result.take(lanes),
            [[5, lane] for lane in lanes],
            slot=slot,
            draws=DRAWS // 2,
            enough=ENOUGH,
        )
        p_value[lanes] = spread(found, ENOUGH)
    there = np.isfinite(p_value)
    alarms = int((p_value[there] <= ALPHA).sum())
    report(
        "detection",
        f"p-values of {sources} sources without a narrow peak: up to 4 Lorentzians + constant, n = 50",
        "KS p",
        float(stats.kstest(p_value[there], "uniform").pvalue),
        floor=0.01,
        floor_name="the least that is accepted",
        tested=int(there.sum()),
        narrow_found=int(result.active[slots, np.arange(sources)].sum()),
        false_alarms=alarms,
        binomial_p=float(stats.binomtest(alarms, int(there.sum()), ALPHA).pvalue),
    )


def power(folder):
    """Print the fractions found, and draw them."""
    fractions = []
    for k, variance in enumerate(AMPLITUDES):
        truth = [*NULLS["power law"][1], max(variance, 1e-9), 6.0, 0.6]
        spectra = drawn([*RED, "lorentzian"], truth, 50, 100, 200 + k)
        found, _ = tests(RED, spectra, k, draws=300, enough=ENOUGH)
        fractions.append(float((found.p_value < ALPHA).mean()))
    report(
        "detection",
        "fraction of 100 sources with p < 0.01 against the variance of a peak of Q = 10, n = 50",
        "at the largest",
        fractions[-1],
        variance=list(AMPLITUDES),
        fraction=fractions,
    )
    if folder:
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot

        figure, axes = pyplot.subplots(figsize=(5, 3.2), layout="constrained")
        peak = 2 * np.array(AMPLITUDES) / np.pi / 0.6 / 2.0
        error = np.sqrt(np.array(fractions) * (1 - np.array(fractions)) / 100)
        axes.errorbar(peak, fractions, error, fmt="o-")
        axes.axhline(ALPHA, ls=":", c="k")
        axes.set(xlabel="height of the peak over the noise level", ylabel=f"found at p < {ALPHA}")
        figure.savefig(Path(folder) / "detection_power.svg", metadata={"Date": None})


def main():
    """Print all lines."""
    warnings.simplefilter("ignore")
    configure()
    speed()
    uniformity(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
    uniformity_among_peaks(max(int(sys.argv[1]) // 4 if len(sys.argv) > 1 else 500, 1))
    power(sys.argv[2] if len(sys.argv) > 2 else None)


if __name__ == "__main__":
    main()
