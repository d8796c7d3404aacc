"""How often the 68.3 % intervals of a survey hold the truth, from light curves to fitted parameters.

Sources are drawn as `pipeline.simulate` draws them: a Gaussian process ten times longer than what is observed,
averaged over the bins, with gaps, single bad bins and noise. They go through `pipeline.segment` and
`pipeline.fit` as a survey's do, without files in between. For each dialect and kind: coverage of each parameter, its binomial
error, the mean pull, and the fraction beyond three errors. Arguments: sources of each, seed, dialects, kinds.

    python coverage_survey.py 5000 1 kepler,rate qpo,bending_power_law
"""

import sys
from dataclasses import dataclass

import numpy as np
from _common import report

from pipeline.columns.ingest import INGEST
from pipeline.config.fit import FitOptions
from pipeline.config.segment import SegmentOptions
from pipeline.config.survey import validate
from pipeline.fit.driver import fit_rows
from pipeline.segment.observation import Observations
from pipeline.segment.observation import observation as ingested
from pipeline.segment.products.power_spectra.rows import product_rows
from pipeline.simulate import observatories, observe
from pipeline.simulate.population import REGIMES, draw_source
from pipeline.status import Status
from pipeline.tables import empty_row, rows_of, to_arrow

MODELS = {
    "qpo": ["constant", "power_law", "lorentzian"],
    "power_law": ["constant", "power_law"],
    "bending_power_law": ["constant", "bending_power_law"],
}
CHUNK = 500
"""Sources in memory at a time."""
PARAMETERS = {
    "qpo": {
        "frequency": ("lorentzian.1", "frequency", "qpo_frequency"),
        "fwhm": ("lorentzian.1", "fwhm", "qpo_fwhm"),
        "rms": ("lorentzian.1", "rms", "qpo_rms"),
        "slope": ("power_law.1", "slope", "slope"),
    },
    "power_law": {"slope": ("power_law.1", "slope", "slope")},
    "bending_power_law": {
        "bend_frequency": ("bending_power_law.1", "bend_frequency", "bend_frequency"),
        "slope_low": ("bending_power_law.1", "slope_low", "slope_low"),
        "slope_high": ("bending_power_law.1", "slope_high", "slope"),
    },
}
"""For each kind of source: component and parameter of the fit, and the name of the truth."""


FIELDS = ("pull", "inside", "inside_wide")


@dataclass(frozen=True)
class Pulls:
    """What the truth is of values and intervals, shape (sources,).

    Attributes
    ----------
    pull : ndarray
        Truth less value, over the error on its side.
    inside, inside_wide : ndarray
        Whether the 68.3 % interval holds the truth, and that of 99.73 %: from the profile, NaN where there is none.
    """

    pull: np.ndarray
    inside: np.ndarray
    inside_wide: np.ndarray


def sources(dialect, kind, count, seed):
    """Return sources of a dialect and kind, in order of their numbers in an endless archive."""
    found, index = [], 0
    while len(found) < count:
        source = draw_source(index, np.random.default_rng([seed, 1, index]))
        if (source.dialect, source.kind) == (dialect, kind):
            found.append(source)
        index += 1
    return found


def observation(source, number, rng):
    """Return a row of INGEST, as reading the file of this observation gives it."""
    dt = source.dt
    pieces = observatories._curve_stretches(source, rng)
    n = pieces[-1, 1]
    good = observe.inside(pieces, n)
    missing = observe.isolated_bins(pieces, observatories.MISSING_FRACTION, rng)
    time = (np.arange(n) + 0.5) * dt
    if source.dialect == "kepler":
        error = source.mean_rate * np.sqrt(source.noise / (2.0 * dt))
        rate = observe.photometry(source.spectrum, source.mean_rate, error, dt, good, rng)
        kept = good & ~missing
        columns = {"rate_err": np.full(kept.sum(), error), "counting": False}
    else:
        fracexp = good.astype(float)
        fracexp[missing] = 0.3
        counts = observe.binned_counts(source.spectrum, source.mean_rate, dt, fracexp, rng)
        kept = good
        rate = counts / np.where(good, fracexp, 1.0) / dt
        errors = np.sqrt(np.maximum(counts, 1)) / np.where(good, fracexp, 1.0) / dt
        columns = {"rate_err": errors[kept], "fracexp": fracexp[kept], "counting": True}
    return {
        **empty_row(INGEST),
        **columns,
        "source_id": f"{source.index}",
        "observation_id": f"{number}",
        "file": f"{number}",
        "kind": "lightcurve",
        "product": "lightcurve",
        "status": Status.OK,
        "dt": dt,
        "time": time[kept],
        "rate": rate[kept],
        "gti_start": pieces[:, 0] * dt,
        "gti_stop": pieces[:, 1] * dt,
        "exposure": kept.sum() * dt,
    }


def spectrum(source, seed):
    """Return the row of SPECTRA of a source."""
    rows = [
        observation(source, k, np.random.default_rng([seed, 2, source.index, k]))
        for k in range(source.n_files)
    ]
    rows = rows_of(to_arrow(INGEST, rows))
    some = Observations.held([ingested(row, i) for i, row in enumerate(rows)])
    (row,) = product_rows(some, SegmentOptions(epochs=False))
    return row


def pulls(kind, some, parameters):
    """Return the `Pulls` of each parameter of some sources, from rows of PARAMETERS."""
    found = {(p["source_id"], p["component"], p["parameter"]): p for p in parameters}
    out = {}
    for name, (component, parameter, truth) in PARAMETERS[kind].items():
        rows = [found.get((f"{s.index}", component, parameter)) for s in some]
        true = np.array([getattr(s.spectrum, truth) for s in some])
        value, lower, upper = (
            np.array([np.nan if r is None else r[c] for r in rows])
            for c in ("value", "err_lo", "err_hi")
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            pull = (true - value) / np.where(true > value, upper, lower)
        wide = np.array([_wide(r, t) for r, t in zip(rows, true, strict=True)])
        out[name] = Pulls(pull, np.abs(pull) <= 1, wide)
    return out


def _wide(row, true):
    """Whether the first further interval of a row of PARAMETERS holds the truth, NaN where there is none."""
    if row is None or not len(row.get("interval_lo", ())):
        return np.nan
    below = row["open_lo"] or row["interval_lo"][0] <= true
    return float(below and (row["open_hi"] or true <= row["interval_hi"][0]))


def survey(dialect, kind, count, seed=1, **options):
    """Return the `Pulls` of each parameter over sources of a dialect and kind.

    Parameters
    ----------
    dialect : {"kepler", "rate"}
        Photometry with Gaussian errors, or counts.
    kind : str
        One of `PARAMETERS`.
    count, seed : int
        Sources, and the seed of everything in them.
    **options
        Of section `fit`.
    """
    told = {"models": {kind: MODELS[kind]}, "platform": "cpu", **options}
    told, parts = validate(told, FitOptions), []
    everyone = sources(dialect, kind, count, seed)
    for first in range(0, count, CHUNK):
        some = everyone[first : first + CHUNK]
        rows = [spectrum(source, seed) for source in some]
        parts.append(pulls(kind, some, fit_rows(rows, told)[1]))
    return {
        name: Pulls(*(np.concatenate([getattr(p[name], f) for p in parts]) for f in FIELDS))
        for name in parts[0]
    }


def _mean(inside):
    """Mean of what there is, None where nothing is."""
    there = inside[np.isfinite(inside)]
    return float(there.mean()) if there.size else None


def main():
    """Print a line for each dialect and kind."""
    told = sys.argv[1:] + ["1000", "1", "kepler,rate", "qpo,bending_power_law"][len(sys.argv) - 1 :]
    count, seed = int(told[0]), int(told[1])
    for dialect in told[2].split(","):
        for kind in told[3].split(","):
            found = survey(dialect, kind, count, seed, profile="all", levels=[0.9973])
            coverage = {k: float(p.inside.mean()) for k, p in found.items()}
            report(
                "coverage_survey",
                f"{count} light curves, {dialect}, {kind}: from the curve to the interval",
                "largest distance from 0.683",
                max(abs(c - 0.6827) for c in coverage.values()),
                coverage=coverage,
                error=float(np.sqrt(0.6827 * 0.3173 / count)),
                mean_pull={k: float(np.nanmean(p.pull)) for k, p in found.items()},
                scatter_of_pulls={k: float(np.nanstd(p.pull)) for k, p in found.items()},
                coverage_of_99_73={k: _mean(p.inside_wide) for k, p in found.items()},
                beyond_three={k: float(np.mean(np.abs(p.pull) > 3)) for k, p in found.items()},
                without={k: float(np.mean(np.isnan(p.pull))) for k, p in found.items()},
                bins=REGIMES[dialect].segment_bins,
            )


if __name__ == "__main__":
    main()
