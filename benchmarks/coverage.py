"""How often the 68.3 % intervals hold the truth, by covariance and by profile; and the bias.

10,000 simulations a line (the first argument: fewer), fitted from the pipeline's own starts. `covariance`
is the coverage by the curvature at the best fit, where a matrix that is not positive definite counts as a
miss; `profile` that by profile, of the first 1,000 (the second argument), and `upper_limit` that of their
95 % limits; `default` that of what the pipeline gives, profiles where a component is weak. `ours` is the
largest distance of a parameter's default coverage from 68.27 %.
"""

import sys

import numpy as np
from _common import report, simulate

from pipeline.config.models import ComponentOptions
from pipeline.fit import Batch, Engine, Model, PowerSpectrum, add_profiles, configure, fit_model
from pipeline.fit.search.batch import End
from pipeline.fit.uncertainty.intervals import is_weak

FIXED = {"lorentzian": {"frequency": {"fixed": 6.0}, "fwhm": {"fixed": 1.0}}}
NOMINAL, TARGET, PER_BATCH = 68.27, 1.5, 2500
RED = ["power_law", "constant"], np.linspace(0.01, 5, 500)
PEAK = ["power_law", "lorentzian", "constant"], np.linspace(1 / 16, 30, 480)
KNOWN = ["power_law", ComponentOptions.model_validate(FIXED), "constant"], PEAK[1]
WORKLOADS = (
    *(("power law + constant", RED, n, [3.0, 1.5, 1.0]) for n in (1, 10, 50)),
    *(
        ("power law + Lorentzian + constant", PEAK, n, [6.0, 1.4, 40.0, 6.0, 1.0, 2.0])
        for n in (1, 10, 50)
    ),
    ("the same, weak, at a known place", KNOWN, 10, [6.0, 1.4, 0.6, 6.0, 1.0, 2.0]),
    ("the same, weak, searched for", PEAK, 10, [6.0, 1.4, 1.5, 6.0, 1.0, 2.0]),
)
"""A name, model and grid, n, and the truth: amplitude, slope; variance, frequency, FWHM; level."""
QPO, QPO_GRID = [60.0, 800.0, 20.0, 2.0], np.arange(600.0, 1000.0, 0.125)
"""Barret & Vaughan 2012: variance, frequency and FWHM of a kHz QPO, and the noise; n = 1."""


def fits(engine, truth, grid, n, simulations, seed=1):
    """Yield spectra, widths, fits and the truth, a batch at a time."""
    rng = np.random.default_rng(seed)
    for start in range(0, simulations, PER_BATCH):
        lanes = min(PER_BATCH, simulations - start)
        spectra, u = simulate(engine.objective.model, truth, grid, n, lanes, rng)
        widths = np.full_like(spectra.power, grid[1] - grid[0])
        yield spectra, widths, fit_model(Batch(engine, spectra, widths)), u


def by_covariance(result, u):
    """Whether the interval of each parameter from the covariance holds the truth, shape (P, lanes)."""
    sigma = np.sqrt(np.maximum(np.einsum("iil->il", result.covariance), 0.0))
    return (np.abs(result.fit.u - u) <= sigma) & (sigma > 0) & result.sound


def by_profile(result, u):
    """The same by profile, and where there is one; an end that is open holds everything."""
    found = result.profiles
    codes = found.lower_code[0], found.upper_code[0]
    lower = np.where(codes[0] == End.OPEN, -np.inf, found.lower[0])
    upper = np.where(codes[1] == End.OPEN, np.inf, found.upper[0])
    there = np.isin(codes[0], (End.FOUND, End.OPEN)) & np.isin(codes[1], (End.FOUND, End.OPEN))
    return (lower <= u) & (u <= upper), there


def measure(engine, workload, simulations, profiled):
    """Measure one workload.

    Returns
    -------
    coverage : dict of str to array, shape (P,)
        By covariance, by profile and by default, and of the upper limit, per cent.
    weak : array, shape (P,)
        Fraction of the simulations in which the parameter's component is weak.
    """
    _, (_, grid), n, truth = workload
    inside = {name: [] for name in ("covariance", "profile", "default", "upper_limit", "weak")}
    left = profiled
    for spectra, widths, result, u in fits(engine, truth, grid, n, simulations):
        inside["covariance"].append(by_covariance(result, u))
        mended = add_profiles(Batch(engine, spectra, widths), result)
        holds, there = by_profile(mended, u)
        inside["default"].append(np.where(there, holds, by_covariance(mended, u)))
        inside["weak"].append(is_weak(mended)[engine.objective.model.slot_of()])
        lanes = np.arange(min(left, spectra.power.shape[1]))
        left -= lanes.size
        if lanes.size:
            few = Batch(engine, spectra, widths).take(lanes)
            full = add_profiles(few, result.take(lanes), which="all")
            inside["profile"].append(np.logical_and(*by_profile(full, u)))
            inside["upper_limit"].append(full.profiles.limit >= u)
    each = {k: 100 * np.concatenate(v, axis=1).mean(axis=1) for k, v in inside.items()}
    return each, each.pop("weak")


def explain(each, weak, profiled):
    """Say why coverage by covariance is off, where it is, and whether the profile mends it."""
    if abs(each["covariance"] - NOMINAL) <= TARGET:
        return None
    why = "its likelihood is skewed"
    if weak >= 5:
        why = f"weak: under two sigma or at its bound in {weak:.0f} % of the simulations"
    error = 100 * np.sqrt(NOMINAL / 100 * (1 - NOMINAL / 100) / max(profiled, 1))
    mended = abs(each["profile"] - NOMINAL) <= TARGET + 2 * error
    return f"{why}; its profile {'covers' if mended else 'does not cover'}: {each['profile']:.1f} %"


def coverage_line(engine, workload, simulations, profiled, precision):
    """Print the line of one workload."""
    name, _, n, _ = workload
    each, weak = measure(engine, workload, simulations, profiled)
    model = engine.objective.model
    free = [k for k in range(model.size) if [f for s in model.slots for f in s.fixed][k] is None]
    values = {
        method: {model.names[k]: round(float(c[k]), 2) for k in free} for method, c in each.items()
    }
    for k in np.flatnonzero(~model.is_amplitude):
        values["upper_limit"].pop(model.names[k], None)
    reasons = {
        model.names[k]: explain({m: c[k] for m, c in each.items()}, weak[k], profiled) for k in free
    }
    report(
        "coverage",
        f"{name}, n = {n}, {precision}",
        "percentage points off",
        max(abs(each["default"][k] - NOMINAL) for k in free),
        floor=TARGET,
        floor_name="target",
        simulations=simulations,
        profiled=profiled,
        **values,
        outside={k: reason for k, reason in reasons.items() if reason},
    )


def bias_line(engine, simulations, precision):
    """Print the bias of one Lorentzian and noise at n = 1 (Barret & Vaughan 2012)."""
    off = np.concatenate(
        [r.fit.u - u for _, _, r, u in fits(engine, QPO, QPO_GRID, 1, simulations)], axis=1
    )
    ratios = {"rms": off[0] / 2, "frequency": off[1], "fwhm": off[2], "noise": off[3]}
    bias = {k: 100 * float(np.expm1(v).mean()) for k, v in ratios.items()}
    error = {k: 100 * float(np.expm1(v).std() / np.sqrt(v.size)) for k, v in ratios.items()}
    report(
        "coverage",
        f"bias of one Lorentzian + constant, n = 1, {precision}",
        "per cent",
        max(abs(b) for b in bias.values()),
        floor=3.0,
        floor_name="target in width and rms",
        simulations=simulations,
        bias=bias,
        error=error,
    )


def main():
    """Print a line for each workload and floating-point type."""
    told = [int(a) for a in sys.argv[1:3]]
    simulations, profiled = told + [10_000, 1000][len(told) :]
    for precision in ("float32", "float64"):  # in this order: JAX does not go back from double
        devices = configure(precision=precision)
        for workload in WORKLOADS:
            model = Model.from_components(workload[0], workload[1][0])
            engine = Engine(PowerSpectrum(model), precision=precision, devices=devices)
            coverage_line(engine, workload, simulations, min(profiled, simulations), precision)
        engine = Engine(
            PowerSpectrum(Model.from_components("QPO", ["lorentzian", "constant"])),
            precision=precision,
            devices=devices,
        )
        bias_line(engine, simulations, precision)


if __name__ == "__main__":
    main()
