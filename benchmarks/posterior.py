"""Posteriors a second: power law + Lorentzian + constant, 250 bins, six parameters, with evidence.

`ours` is sources a second from fitted spectra to weighted draws, on all cores; `ess` says how many
independent draws those are worth, for the worst and the median source.
"""

from functools import partial

import numpy as np
from _common import report, simulate, timed

from pipeline.fit import Engine, Model, configure, fit_model
from pipeline.fit.posterior import GOOD_K, sample

SOURCES, DRAWS, N = 512, 1024, 50
GRID = np.linspace(0.1, 25.0, 250)
TRUTH = [2.0, 1.4, 6.0, 6.0, 1.0, 2.0]
TARGET = 100.0


def main():
    """Print one line."""
    devices = configure()
    model = Model.from_components("qpo", ["power_law", "lorentzian", "constant"])
    spectra, _ = simulate(model, TRUTH, GRID, N, SOURCES, np.random.default_rng(1))
    widths = np.full_like(spectra.power, GRID[1] - GRID[0])
    engine = Engine(model, devices=devices)
    result = fit_model(engine, spectra, widths)
    seeds = [[1, k] for k in range(SOURCES)]
    run = partial(sample, engine, spectra, widths, result, seeds, draws=DRAWS)
    seconds, found = timed(run, repeats=5)
    report(
        "posterior",
        f"{DRAWS} weighted draws and the evidence, 6 parameters, {GRID.size} bins, n = {N}",
        "sources/s",
        SOURCES / seconds,
        peer=TARGET,
        peer_name="the target",
        ess_worst=float(np.nanmin(found.ess)),
        ess_median=float(np.nanmedian(found.ess)),
        ess_above_400=float((found.ess >= 400).mean()),
        good_k=float((found.pareto_k < GOOD_K).mean()),
        evidence_error_median=float(np.nanmedian(found.log_evidence_error)),
        device=f"{len(devices)} x {devices[0].device_kind}",
    )


if __name__ == "__main__":
    main()
