"""Fits a second beside Stingray's: power law + Lorentzian + constant, 1,024 bins, n = 32.

Both fit spectra of one grid from starts of which each parameter is 20 to 100 % off, to a converged maximum
with its covariance. Ours runs as a survey's shards do, a process a core, all at once; Stingray on one
core; `peer` is Stingray's rate times the cores. Then five Lorentzians + constant, 16 parameters, on 250
logarithmic bins, from starts 5 to 30 % off, with the engine's rescue. `true_optimum` is the part of the fits that end
within 0.1 of the least deviance that is found from the start or from the truth, `peer_true_optimum` that of Stingray's.
On a GPU the same script runs in one process on it, with a block for the whole device.
"""

import multiprocessing
import os
import time
import warnings
from functools import partial
from statistics import median

import numpy as np
from _common import report, simulate, timed

from pipeline.fit import Engine, Model, PowerSpectrum, Problem, Spectra, configure
from pipeline.fit.engine.covariance import covariance
from pipeline.fit.engine.problem import Code

BINS, N, SPECTRA, PEERS = 1024, 32, 8192, 12
SAME = 0.1
"""Deviance above the least one up to which a fit has reached its optimum."""
BLOCK, REPEATS = 64, 7
TRUTH = np.array([2.0, 1.5, 10.0, 6.0, 1.0, 2.0])
"""Amplitude, slope; variance, frequency, FWHM; level."""
FLOOR = 38_000
"""Fits a second and core of hand-written C: 9 evaluations a fit at 2.9 us (see the docs)."""


def one_peak(seed=1):
    """Model, spectra, truth, starts and bounds of the workload with 6 parameters."""
    model = Model.from_components("speed", ["power_law", "lorentzian", "constant"])
    spectra, u, start = workload(model, seed)
    return model, spectra, u, start, *bounds(u)


def workload(model, seed=1):
    """Spectra around the true model, and starts 20 to 100 % off."""
    rng = np.random.default_rng(seed)
    spectra, u = simulate(model, TRUTH, np.linspace(1 / 16, 64, BINS), N, SPECTRA, rng)
    log, u = model.is_log[:, None], u * np.ones(SPECTRA)
    off = rng.choice([-1, 1], u.shape) * np.log1p(rng.uniform(0.2, 1.0, u.shape))
    return spectra, u, np.where(log, u + off, u * np.exp(off))


def five_lorentzians(seed=2, lanes=4096):
    """Model, spectra, truth, starts and bounds of the workload with 16 parameters."""
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
    return model, spectra, u, u + off, lower, upper


def bounds(u):
    """Peaks inside the frequencies and not narrower than a bin; everything else wide."""
    lower, upper = u - 12, u + 12
    lower[3:5], upper[3:5] = np.log(1 / 16), np.log(64)
    lower[1], upper[1] = -1, 6
    return lower, upper


def ours(engine, spectra, start, lower, upper):
    """Fit everything and invert the information."""
    problem = _free(engine, start, lower, upper)
    fit = engine.fit(spectra, problem)
    moved = ~fit.at_bound
    errors = covariance(engine.objective, spectra, problem.active, fit.u, moved, engine.block_size)
    return fit, errors


def _free(engine, u, lower, upper):
    """Return the problem of fitting everything from u."""
    active = np.ones((len(engine.objective.model.slots), u.shape[1]), bool)
    return Problem(u, lower, upper, np.ones(u.shape, bool), active)


def in_astropy(model, values):
    """Return a model of Astropy with these values of the parameters, as Stingray takes it."""
    from astropy.modeling.models import Const1D, Lorentz1D, PowerLaw1D

    parts, left = [], iter(values)
    for slot in model.slots:
        if slot.component == "lorentzian":
            variance, centre, fwhm = (next(left) for _ in range(3))
            parts.append(Lorentz1D(2 * variance / (np.pi * fwhm), centre, fwhm))
        elif slot.component == "power_law":
            parts.append(PowerLaw1D(next(left), 1.0, next(left), fixed={"x_0": True}))
        else:
            parts.append(Const1D(next(left)))
    return sum(parts[1:], start=parts[0])


def deviance(power, n, expected):
    """Deviance of a spectrum around a model; infinite where the model is not positive."""
    if not (expected > 0).all():
        return np.inf
    return np.sum(2 * n * (power / expected - 1 - np.log(power / expected)))


def stingrays(model, spectra, start, objective):
    """Stingray's fits of the first spectra, one at a time, as its documentation does it.

    Parameters
    ----------
    model, spectra, start
        Of a workload.
    objective : array, shape (lanes,)
        The least deviance that is known.

    Returns
    -------
    seconds : float
        Median time of a fit.
    reached : float
        Fraction of the fits that are within `SAME` of the least deviance.
    """
    from stingray import Powerspectrum
    from stingray.modeling import PSDLogLikelihood, PSDParEst

    seconds, reached = [], []
    for lane in range(PEERS):
        frequency, power, n = (a[:, lane] for a in spectra[:3])
        spectrum = Powerspectrum()
        spectrum.freq, spectrum.power, spectrum.norm = frequency, power, "leahy"
        spectrum.m, spectrum.df, spectrum.n = n, np.gradient(frequency), frequency.size
        first = in_astropy(model, model.to_values(start[:, lane]))
        free = [name for name in first.param_names if not first.fixed[name]]
        begin = [getattr(first, name).value for name in free]
        began = time.perf_counter()
        likelihood = PSDLogLikelihood(frequency, power, first, m=n)
        try:
            found = PSDParEst(spectrum, fitmethod="L-BFGS-B", max_post=False).fit(
                likelihood, begin, neg=True
            )
            best = found.p_opt
        except Exception:  # its covariance needs a matrix that can be inverted
            best = None
        seconds.append(time.perf_counter() - began)
        if best is not None:
            for name, value in zip(free, best, strict=True):
                setattr(first, name, value)
        there = best is not None
        reached.append(there and deviance(power, n, first(frequency)) <= objective[lane] + SAME)
    return median(seconds), float(np.mean(reached))


def measure(make, precision, seed, barrier=None):
    """Fits a second in this process, and what became of them.

    Parameters
    ----------
    make : callable
        `one_peak` or `five_lorentzians`.
    precision : {"float64", "float32"}
        Floating-point type.
    seed : int
        Of the spectra.
    barrier : multiprocessing.Barrier, optional
        Where the processes wait for each other before they begin to count.
    """
    devices = configure()
    model, spectra, u, start, lower, upper = make(seed)
    lanes = start.shape[1]
    on_cpu = devices[0].platform == "cpu"
    engine = Engine(
        PowerSpectrum(model),
        block_size=BLOCK if on_cpu else lanes,
        precision=precision,
        devices=devices,
        rescue=make is five_lorentzians,
    )
    grid = spectra.frequency[:, :1], spectra.power, spectra.weight[:, :1]
    resident = Spectra(*grid).on_device(engine.dtype)
    run = partial(ours, engine, resident, start, lower, upper)
    if barrier is not None:
        run()  # what compiles is not to disturb those that count already
        barrier.wait()
    seconds, (fit, errors) = timed(run, repeats=REPEATS)
    truth = engine.fit(resident, _free(engine, u, lower, upper)).objective
    least = np.minimum(fit.objective, truth)
    return {
        "least": least,
        "rate": lanes / seconds,
        "converged": float((fit.code == Code.CONVERGED).mean()),
        "covariance": float(errors.sound.mean()),
        "iterations_median": float(np.median(fit.iterations)),
        "true_optimum": float((fit.objective <= least + SAME).mean()),
        "device": f"{len(devices)} x {devices[0].device_kind}",
    }


def _process(connection, *arguments):
    warnings.simplefilter("ignore")
    connection.send(measure(*arguments))  # `least` too: Stingray is judged by it


def on_every_core(make, precision, cores):
    """Measure in a process a core at once; the sum of the rates, and the means of the rest."""
    os.environ["NPROC"] = "1"  # read by XLA when the processes start it
    context = multiprocessing.get_context("spawn")
    barrier, ends, processes = context.Barrier(cores), [], []
    for seed in range(cores):
        here, there = context.Pipe()
        arguments = there, make, precision, seed + 1, barrier
        processes.append(context.Process(target=_process, args=arguments, daemon=True))
        processes[-1].start()
        there.close()  # or `recv` would wait for a process that died
        ends.append(here)
    parts = [end.recv() for end in ends]
    for process in processes:
        process.join()
    out = {"device": parts[0]["device"], "processes": cores}
    for key in ("converged", "covariance", "iterations_median", "true_optimum"):
        out[key] = float(np.mean([part[key] for part in parts]))
    return out | {"rate": sum(part["rate"] for part in parts), "least": parts[0]["least"]}


def main():
    """Print one line for each workload and floating-point type."""
    warnings.simplefilter("ignore")
    cores = len(os.sched_getaffinity(0))
    gpu = on_gpu()
    for make, what in (
        (one_peak, f"power law + Lorentzian + constant, {BINS} bins, n = {N}"),
        (five_lorentzians, "5 Lorentzians + constant, 16 parameters, 250 bins"),
    ):
        beside: dict = {}
        for precision in ("float64", "float32"):
            if gpu:
                found = measure(make, precision, seed=1)
            else:
                found = on_every_core(make, precision, cores)
            rate, least = found.pop("rate"), found.pop("least")
            if not beside:
                model, spectra, _, start, *_ = make(1)
                seconds, reached = stingrays(model, spectra, start, least)
                beside = {
                    "peer": cores / seconds,
                    "peer_name": f"Stingray PSDParEst L-BFGS-B x {cores} cores",
                    "peer_true_optimum": reached,
                }
                if make is one_peak:
                    beside["floor"] = float(FLOOR * cores)
                    beside["floor_name"] = "hand-written C, 9 evaluations a fit"
            what_in = f"{what}, {precision}, with covariance"
            report("fit_speed", what_in, "fits/s", rate, **beside, **found)


def on_gpu() -> bool:
    """Whether JAX finds a GPU; asked in a process of its own, so that this one has not started JAX."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_platform) != "cpu"


def _platform():
    return configure()[0].platform


if __name__ == "__main__":
    main()
