"""Evidences of ten problems beside nested sampling: five of three parameters, five of six.

A line a problem: `ours` is ln Z by importance sampling, `peer` that of dynesty with a likelihood written anew in
NumPy, `laplace` the one from the curvature alone. Needs `pip install --group bench`. The aim is a difference of less
than 0.2.
"""

import importlib.util

import numpy as np
from _common import report, simulate
from scipy.special import gammaln

from pipeline.config.models import ComponentOptions
from pipeline.fit import Batch, Engine, Model, PowerSpectrum, configure, fit_model
from pipeline.fit.uncertainty.importance import sample

GRID = np.linspace(0.1, 12.8, 128)
RED = {"amplitude": [0.1, 50.0], "slope": (0.2, 3.0), "level": [0.2, 20.0]}
PEAK = RED | {"variance": [0.1, 50.0], "frequency": [1.0, 10.0], "fwhm": [0.1, 10.0]}
PROBLEMS = [
    *(
        (RED, (2.0, slope, 2.0), n)
        for slope, n in ((1.4, 5), (1.4, 50), (0.8, 20), (2.0, 20), (1.0, 200))
    ),
    *(
        (PEAK, (2.0, 1.4, 2.0, v, 5.0, w), n)
        for v, w, n in ((6, 1, 20), (6, 1, 50), (3, 0.5, 50), (10, 3, 50), (3, 0.5, 200))
    ),
]
LIVE = {3: 1000, 6: 4000}


def main():
    """Print a line a problem."""
    if importlib.util.find_spec("dynesty") is None:
        print("# left out: dynesty is not installed")
        return
    configure()
    for number in range(len(PROBLEMS)):
        _solve(number)


def _solve(number):
    """Print the line of one problem."""
    priors, truth, n = PROBLEMS[number]
    model = _model(priors)
    spectra, _ = simulate(model, truth, GRID, n, 1, np.random.default_rng(number))
    widths = np.full_like(spectra.power, GRID[1] - GRID[0])
    engine = Engine(PowerSpectrum(model))
    result = fit_model(Batch(engine, spectra, widths))
    found = sample(Batch(engine, spectra, widths), result, [[1, number]], draws=4096)
    nested = _nested(priors, spectra.power[:, 0], n, number)
    ours, peer = float(found.log_evidence[0]), float(nested.logz[-1])
    laplace = float(found.log_evidence_laplace[0])
    report(
        "evidence",
        f"problem {number + 1}: {len(priors)} parameters, n = {n}",
        "ln Z",
        ours,
        peer=peer,
        peer_name=f"dynesty, {LIVE[len(priors)]} live points",
        difference=ours - peer,
        error=float(found.log_evidence_error[0]),
        peer_error=float(nested.logzerr[-1]),
        laplace=laplace,
        laplace_difference=laplace - peer,
        pareto_k=float(found.pareto_k[0]),
        peer_calls=int(np.sum(nested.ncall)),
    )


def _model(priors):
    """Return the model whose parameters have these priors: log-uniform for lists, uniform for tuples."""
    told = {
        name: {"loguniform" if isinstance(ends, list) else "uniform": list(ends)}
        for name, ends in priors.items()
    }
    components = [
        {"power_law": {name: told[name] for name in ("amplitude", "slope")}},
        {"constant": {"level": told["level"]}},
    ]
    if "variance" in told:
        components.append({"lorentzian": {n: told[n] for n in ("variance", "frequency", "fwhm")}})
    return Model.from_components("m", [ComponentOptions.model_validate(c) for c in components])


def _nested(priors, power, n, seed):
    """Return dynesty's results."""
    from dynesty import NestedSampler

    ends = np.array([np.log(e) if isinstance(e, list) else e for e in priors.values()])
    is_log = np.array([isinstance(e, list) for e in priors.values()])
    constant = np.sum(n * np.log(n) - gammaln(n) + (n - 1) * np.log(power))

    def values(cube):
        u = ends[:, 0] + cube * (ends[:, 1] - ends[:, 0])
        return np.where(is_log, np.exp(u), u)

    def log_likelihood(p):
        mean = p[0] * GRID ** -p[1] + p[2]
        if p.size > 3:
            mean = mean + p[3] * p[5] / (2 * np.pi) / ((GRID - p[4]) ** 2 + (p[5] / 2) ** 2)
        return constant - n * np.sum(np.log(mean) + power / mean)

    sampler = NestedSampler(
        log_likelihood,
        values,
        len(priors),
        nlive=LIVE[len(priors)],
        bound="multi",
        sample="unif" if len(priors) < 6 else "rwalk",
        rstate=np.random.default_rng(seed),
    )
    sampler.run_nested(dlogz=0.1, print_progress=False)
    return sampler.results


if __name__ == "__main__":
    main()
