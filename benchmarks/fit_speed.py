"""Fits a second beside Stingray's: power law + Lorentzian + constant, 1,024 bins, n = 32.

Both fit the same spectra from the same starts, each parameter 20 to 100 % off, to a converged maximum
with its covariance. Ours runs on all cores, Stingray on one; `peer` is Stingray's rate times the cores.
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


def bounds(u):
    """Peaks inside the frequencies and not narrower than a bin; everything else wide."""
    lower, upper = u - 12, u + 12
    lower[3:5], upper[3:5] = np.log(1 / 16), np.log(64)
    lower[1], upper[1] = -1, 6
    return lower, upper


def ours(engine, spectra, start, lower, upper):
    """Fit everything and invert the information."""
    free = np.ones(start.shape, bool)
    active = np.ones((3, start.shape[1]), bool)
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


def main():
    """Print one line for each floating-point type."""
    warnings.simplefilter("ignore")
    devices = configure()
    model = Model.from_components("speed", ["power_law", "lorentzian", "constant"])
    spectra, u, start = workload(model)
    lower, upper = bounds(u)
    cores = len(os.sched_getaffinity(0))
    peer = cores / stingrays(spectra, start)
    for precision in ("float64", "float32"):
        engine = Engine(model, block_size=BLOCK, precision=precision, devices=devices)
        resident = spectra.on_device(engine.dtype)
        seconds, (fit, errors) = timed(
            partial(ours, engine, resident, start, lower, upper), repeats=REPEATS
        )
        report(
            "fit_speed",
            f"power law + Lorentzian + constant, {BINS} bins, n = {N}, {precision}, with covariance",
            "fits/s",
            SPECTRA / seconds,
            peer=peer,
            peer_name=f"Stingray PSDParEst L-BFGS-B x {cores} cores",
            floor=float(FLOOR * cores),
            floor_name="hand-written C, 9 evaluations a fit",
            converged=float((fit.code == Code.CONVERGED).mean()),
            covariance=float(errors.sound.mean()),
            iterations_median=float(np.median(fit.iterations)),
            true_optimum=float((np.abs(fit.u[3] - u[3]) < 0.2).mean()),
            device=f"{len(devices)} x {devices[0].device_kind}",
        )


if __name__ == "__main__":
    main()
