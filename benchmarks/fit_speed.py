"""Fits a second beside Stingray's: power law + Lorentzian + constant, 1,024 bins, n = 32.

Both fit the same spectra from the same starts, each parameter 20 to 100 % off, to a converged maximum
with its covariance. Ours runs on all cores, Stingray on one; `peer` is Stingray's rate times the cores.
Then five Lorentzians + constant, 16 parameters, on 250 logarithmic bins, from starts 5 to 30 % off, whose
peer is the target. On a GPU the same script runs on it, with a block for the whole device.
"""

import os
import time
import warnings
from functools import partial
from statistics import median

import numpy as np
from _common import report, simulate, timed

from pipeline.fit import Engine, Model, Problem, configure
from pipeline.fit.errors import covariance
from pipeline.fit.optimize import Code

BINS, N, SPECTRA, PEERS = 1024, 32, 8192, 12
BLOCK, REPEATS = 64, 7
TRUTH = np.array([2.0, 1.5, 10.0, 6.0, 1.0, 2.0])
"""Amplitude, slope; variance, frequency, FWHM; level."""
FLOOR = 38_000
"""Fits a second and core of hand-written C: 9 evaluations a fit at 2.9 us (see the docs)."""


def workload(model, seed=1):
    """Spectra around the true model, and starts 20 to 100 % off."""
    rng = np.random.default_rng(seed)
    spectra, u = simulate(model, TRUTH, np.linspace(1 / 16, 64, BINS), N, SPECTRA, rng)
    log, u = model.is_log[:, None], u * np.ones(SPECTRA)
    off = rng.choice([-1, 1], u.shape) * np.log1p(rng.uniform(0.2, 1.0, u.shape))
    return spectra, u, np.where(log, u + off, u * np.exp(off))


def five_lorentzians(lanes=4096, seed=2):
    """Model, spectra, truth and starts of the workload with 16 parameters."""
    model = Model.from_components("five", ["lorentzian"] * 5 + ["constant"])
    shapes = ((6.0, 0.5, 0.5), (3.0, 1.5, 1.0), (4.0, 4.0, 8.0), (2.0, 8.0, 8.0), (3.0, 15.0, 2.0))
    truth = [x for variance, f, q in shapes for x in (variance, f, f / q)] + [2.0]
    grid = np.geomspace(0.05, 60, 250)
    n = np.maximum(16, 16 * grid / 0.3)[:, None]
    rng = np.random.default_rng(seed)
    spectra, u = simulate(model, truth, grid, n, lanes, rng)
    u = u * np.ones(lanes)
    off = rng.choice([-1, 1], u.shape) * np.log1p(rng.uniform(0.05, 0.3, u.shape))
    lower, upper = u - 10, u + 10
    lower[1:15:3], upper[1:15:3] = np.log(0.03), np.log(60)
    lower[2:15:3], upper[2:15:3] = np.log(0.02), np.log(60)
    return model, spectra, u + off, lower, upper


def bounds(u):
    """Peaks inside the frequencies and not narrower than a bin; everything else wide."""
    lower, upper = u - 12, u + 12
    lower[3:5], upper[3:5] = np.log(1 / 16), np.log(64)
    lower[1], upper[1] = -1, 6
    return lower, upper


def ours(engine, spectra, start, lower, upper):
    """Fit everything and invert the information."""
    free = np.ones(start.shape, bool)
    active = np.ones((len(engine.model.slots), start.shape[1]), bool)
    fit = engine.fit(spectra, Problem(start, lower, upper, free, active))
    errors = covariance(
        engine.model, "gamma", spectra, active, fit.u, ~fit.at_bound, engine.block_size
    )
    return fit, errors


def stingrays(spectra, start):
    """Seconds a fit of the first spectra with Stingray, one at a time, as its documentation does it."""
    from astropy.modeling.models import Const1D, Lorentz1D, PowerLaw1D
    from stingray import Powerspectrum
    from stingray.modeling import PSDLogLikelihood, PSDParEst

    seconds = []
    for lane in range(PEERS):
        amplitude, _, variance, _, fwhm, level = np.exp(start[:, lane])
        slope, centre = start[1, lane], np.exp(start[3, lane])
        spectrum = Powerspectrum()
        spectrum.freq, spectrum.power = spectra.frequency[:, lane], spectra.power[:, lane]
        spectrum.m, spectrum.df, spectrum.n, spectrum.norm = N, 1 / 16, BINS, "leahy"
        model = (
            PowerLaw1D(amplitude=amplitude, alpha=slope)
            + Lorentz1D(amplitude=2 * variance / (np.pi * fwhm), x_0=centre, fwhm=fwhm)
            + Const1D(amplitude=level)
        )
        model.x_0_0.fixed = True
        began = time.perf_counter()
        likelihood = PSDLogLikelihood(spectrum.freq, spectrum.power, model, m=N)
        first = [amplitude, slope, 2 * variance / (np.pi * fwhm), centre, fwhm, level]
        PSDParEst(spectrum, fitmethod="L-BFGS-B", max_post=False).fit(likelihood, first, neg=True)
        seconds.append(time.perf_counter() - began)
    return median(seconds)


def measure(model, spectra, start, lower, upper, precision, devices):
    """Fits a second, fits and errors."""
    lanes = start.shape[1]
    on_cpu = devices[0].platform == "cpu"
    engine = Engine(
        model, block_size=BLOCK if on_cpu else lanes, precision=precision, devices=devices
    )
    resident = spectra.on_device(engine.dtype)
    run = partial(ours, engine, resident, start, lower, upper)
    seconds, (fit, errors) = timed(run, repeats=REPEATS)
    return lanes / seconds, fit, errors


def main():
    """Print one line for each workload and floating-point type."""
    warnings.simplefilter("ignore")
    devices = configure()
    device = f"{len(devices)} x {devices[0].device_kind}"
    model = Model.from_components("speed", ["power_law", "lorentzian", "constant"])
    spectra, u, start = workload(model)
    cores = len(os.sched_getaffinity(0))
    peer = cores / stingrays(spectra, start)
    for precision in ("float64", "float32"):
        rate, fit, errors = measure(model, spectra, start, *bounds(u), precision, devices)
        report(
            "fit_speed",
            f"power law + Lorentzian + constant, {BINS} bins, n = {N}, {precision}, with covariance",
            "fits/s",
            rate,
            peer=peer,
            peer_name=f"Stingray PSDParEst L-BFGS-B x {cores} cores",
            floor=float(FLOOR * cores),
            floor_name="hand-written C, 9 evaluations a fit",
            converged=float((fit.code == Code.CONVERGED).mean()),
            covariance=float(errors.sound.mean()),
            iterations_median=float(np.median(fit.iterations)),
            true_optimum=float((np.abs(fit.u[3] - u[3]) < 0.2).mean()),
            device=device,
        )
    for precision in ("float64", "float32"):
        rate, fit, errors = measure(*five_lorentzians(), precision, devices)
        report(
            "fit_speed",
            f"5 Lorentzians + constant, 16 parameters, 250 bins, {precision}, with covariance",
            "fits/s",
            rate,
            peer=3000.0,
            peer_name="the target",
            converged=float((fit.code == Code.CONVERGED).mean()),
            covariance=float(errors.sound.mean()),
            device=device,
        )


if __name__ == "__main__":
    main()
