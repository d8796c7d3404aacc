"""Calibrated p-values of a peak: seconds each, whether they are uniform, and how often peaks are found.

- The CPU time of one p-value with 1,000 simulations, a fit without and one with the peak in each, for a
  spectrum of 250 bins; the peer is Stingray's `calibrate_lrt`, timed on ten simulations and scaled to 1,000.
- 2,000 sources (the first argument: fewer) without a peak: Kolmogorov and Smirnov's p of their p-values, spread over
  the steps between those that are possible, and the rate of false alarms at 0.01.
- The same of surveys through the fit stage: a model is chosen, and its QPO or one more narrow peak is tested.
- The fraction of 100 sources found at p < 0.01 against the amplitude of a peak, and a figure of it in
  `docs/detection_power.svg` if the second argument is its folder.
"""

import sys
import time
import warnings
from pathlib import Path
from statistics import median
from types import SimpleNamespace

import numpy as np
from _common import report, simulate, spread
from scipy import stats

from pipeline.config.fit import FitOptions
from pipeline.config.survey import validate
from pipeline.fit import Batch, Engine, Model, PowerSpectrum, configure, fit_model
from pipeline.fit.driver import fit_rows
from pipeline.fit.significance.detection import detect_peak

GRID = np.linspace(0.1, 25.0, 250)
RED, BENT = ["power_law", "constant"], ["bending_power_law", "constant"]
NULLS = {
    "power law": (RED, [1.0, 1.4, 2.0]),
    "bending power law": (BENT, [20.0, 0.8, 2.4, 2.0, 2.0]),
}
DRAWS, ENOUGH, PEERS = 1000, 20, 10
AMPLITUDES = 0.0, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0
"""Variance of the peak at 6 Hz, FWHM 0.6 Hz, beside noise of level 2 and n = 50."""
ALPHA = 0.01


def tests(components, spectra, seed, **options):
    """Test every spectrum for a Lorentzian beside the components."""
    widths = np.full_like(spectra.power, GRID[1] - GRID[0])
    null = fit_model(
        Batch(Engine(PowerSpectrum(Model.from_components("null", components))), spectra, widths)
    )
    peak = Model.from_components("peak", [*components, "lorentzian"])
    engine = Engine(PowerSpectrum(peak), precision="float32")
    seeds = [[seed, k] for k in range(spectra.power.shape[1])]
    start = time.process_time()
    found = detect_peak(Batch(engine, spectra, widths), null, seeds, **options)
    return found, time.process_time() - start


def drawn(components, truth, n, sources, seed):
    """Spectra around a model."""
    model = Model.from_components("truth", components)
    return simulate(model, truth, GRID, n, sources, np.random.default_rng(seed))[0]


def stingrays(spectra):
    """CPU seconds that Stingray's calibration of one ratio takes, from a few simulations."""
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
    start = time.process_time()
    fit.calibrate_lrt(*told, *more, sample=sample, nsim=PEERS, seed=1)
    return (time.process_time() - start) / PEERS * DRAWS


def speed(sources=4, repeats=3):
    """Print the line of one p-value: CPU seconds of a source, of as many sources at a time as one batch holds."""
    spectra = drawn(RED, NULLS["power law"][1], 50, sources, 3)
    seconds = [tests(RED, spectra, 1, draws=DRAWS, enough=DRAWS)[1] for _ in range(1 + repeats)][1:]
    report(
        "detection",
        f"one p-value of {sources}: {DRAWS} simulations x 2 models, 250 bins, 6 parameters",
        "CPU s",
        median(seconds) / sources,
        peer=stingrays(spectra),
        peer_name=f"Stingray calibrate_lrt, {PEERS} simulations scaled to {DRAWS}",
        target=0.5,
    )


def uniformity(sources):
    """Print a line for each null model and n."""
    for name, (components, truth) in NULLS.items():
        for n in (1, 50):
            spectra = drawn(components, truth, n, sources, 100 + n)
            found, seconds = tests(components, spectra, n, draws=DRAWS, enough=ENOUGH)
            there = np.isfinite(found.p.p_value)
            alarms = int((found.p.p_value[there] <= ALPHA).sum())
            report(
                "detection",
                f"p-values of {sources} sources without a peak: {name} + constant, n = {n}",
                "KS p",
                float(stats.kstest(spread(found.p, ENOUGH)[there], "uniform").pvalue),
                floor=0.01,
                floor_name="the least that is accepted",
                tested=int(there.sum()),
                false_alarms=alarms,
                expected_alarms=ALPHA * int(there.sum()),
                binomial_p=float(stats.binomtest(alarms, int(there.sum()), ALPHA).pvalue),
                draws=int(found.p.draws.sum()),
                failed=int(found.p.failed.sum()),
                seconds=seconds,
            )


def of_a_survey(name, powers, n, models, sources):
    """Print the line of a survey of spectra without a QPO: model chosen, QPO or one more peak tested."""
    edges = np.geomspace(0.1, 50, len(n) + 1)
    rng = np.random.default_rng(300)
    nothing = {"status": "ok", "reason": "", "norm": "frac", "product": "p"}
    nothing |= dict.fromkeys(("mean_rate", "background_rate", "dt"), np.nan)
    rows = [
        {
            **nothing,
            "source_id": f"{name} {k}",
            "frequency": (edges[1:] + edges[:-1]) / 2,
            "frequency_lo": edges[:-1],
            "frequency_hi": edges[1:],
            "power": rng.gamma(n, powers / n),
            "n": n,
            "power_err": np.empty(0),
        }
        for k in range(sources)
    ]
    told = {"models": models, "detection": {"draws": DRAWS // 2, "enough": ENOUGH, "limits": 0}}
    fitted, *_ = fit_rows(rows, validate(told, FitOptions))
    best = [row for row in fitted if row["best"]]
    found = SimpleNamespace(
        p_value=np.array([row["lrt_p_value"] for row in best]),
        draws=np.array([row["lrt_draws"] for row in best]),
        reached=np.array([row["lrt_reached"] for row in best]),
        method=[row["lrt_method"] for row in best],
    )
    there = np.isfinite(found.p_value)
    alarms = int((found.p_value[there] <= ALPHA).sum())
    p_value = spread(found, ENOUGH)[there]
    sizes = np.array([len(row["components"]) for row in best])
    report(
        "detection",
        f"p-values of a survey of {sources} sources without a QPO: {name}",
        "KS p",
        float(stats.kstest(p_value, "uniform").pvalue),
        floor=0.01,
        floor_name="the least that is accepted",
        tested=int(there.sum()),
        qpos_of_the_chosen_models=sum(row["lrt_component"] != "" for row in best),
        false_alarms=alarms,
        expected_alarms=ALPHA * int(there.sum()),
        binomial_p=float(stats.binomtest(alarms, int(there.sum()), ALPHA).pvalue),
        below=[float(np.mean(p_value <= level)) for level in (0.5, 0.1, 0.05)],
        by_components={
            size: [
                int(np.sum(there & (sizes == size))),
                int(np.sum(found.p_value[there & (sizes == size)] <= ALPHA)),
            ]
            for size in np.unique(sizes).tolist()
        },
    )


def surveys(sources):
    """Print the lines of surveys of red noise, and of sums of broad Lorentzians."""
    edges = np.geomspace(0.1, 50, 151)
    low, high = edges[:-1], edges[1:]
    n, middle = np.maximum(50 * (high - low) / 0.1, 1), (low + high) / 2
    red = {"noise": ["constant"], "power_law": ["constant", "power_law"]}
    red["qpo"] = [*red["power_law"], "lorentzian"]
    of_a_survey("power law + constant", 0.002 + 0.001 * middle**-1.4, n, red, sources)
    broad = np.full(len(n), 0.002)
    for variance, frequency, fwhm in ((0.06, 0.0, 3.0), (0.02, 4.0, 7.0)):
        inside = [np.arctan((edge - frequency) / (fwhm / 2)) for edge in (low, high)]
        broad = broad + variance / np.pi * (inside[1] - inside[0]) / (high - low)
    models = {"noise": ["constant"], "sum": ["constant", {"lorentzian": {"up_to": 4}}]}
    of_a_survey("two broad Lorentzians + constant", broad, n, models, sources)


def power(folder):
    """Print the fractions found, and draw them."""
    fractions = []
    for k, variance in enumerate(AMPLITUDES):
        truth = [*NULLS["power law"][1], max(variance, 1e-9), 6.0, 0.6]
        spectra = drawn([*RED, "lorentzian"], truth, 50, 100, 200 + k)
        found, _ = tests(RED, spectra, k, draws=300, enough=ENOUGH)
        fractions.append(float((found.p.p_value < ALPHA).mean()))
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
    surveys(max(int(sys.argv[1]) // 4 if len(sys.argv) > 1 else 500, 1))
    power(sys.argv[2] if len(sys.argv) > 2 else None)


if __name__ == "__main__":
    main()
