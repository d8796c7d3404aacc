"""Rows of one source as the stages leave them, and the rows of the catalogue that they become."""

import numpy as np

from pipeline.catalog.merge import merge
from pipeline.catalog.parameters import Parameters, Peaks
from pipeline.catalog.qpo import choose_qpos, harmonics
from pipeline.columns.fits import MODELS, PARAMETERS
from pipeline.columns.observations import OBSERVATIONS
from pipeline.columns.spectra import SPECTRA
from pipeline.config.catalog import CatalogOptions
from pipeline.tables import rows_of, to_arrow

SOURCE = "S"


def file(name="a", status="ok", **more):
    return {
        "file": name,
        "source_id": SOURCE,
        "status": status,
        "mission": "nicer",
        "object": "Cyg X-1",
        "kind": "events",
        "observation_id": "77",
        "mjd_start": 59000.0,
        "mjd_stop": 59001.0,
        **more,
    }


def product(name="p", status="ok", m=1, **more):
    return {
        "source_id": SOURCE,
        "product": name,
        "status": status,
        "m": m,
        "observation_ids": ["77"],
        "series": name,
        "taper": "none",
        "detrend": "constant",
        "n_observations": 1,
        **more,
    }


def model(name, bic=100.0, product="p", status="ok", best=False, components=("power_law.1",)):
    return {
        "source_id": SOURCE,
        "product": product,
        "model": name,
        "bic": bic,
        "status": status,
        "reason": "" if status == "ok" else f"{name}: {status}",
        "best": best,
        "components": list(components),
        "n_bins": 100,
        "norm": "frac",
        "t_sse_p_value": 0.4,
        "outlier_frequency": 3.0,
        "outlier_p_value": 0.02,
        "statistic": 90.0,
        "deviance": 95.0,
        "n_free": 2,
    }


def parameter(component, name, value, product="p", errors=(0.1, 0.2), **more):
    lo, hi = errors
    return {
        "source_id": SOURCE,
        "product": product,
        "component": component,
        "parameter": name,
        "value": value,
        "err_lo": lo,
        "err_hi": hi,
        **more,
    }


def lorentzian(name, variance, frequency, fwhm, errors=(0.0, 0.0), at_bound=(), **more):
    """Parameters of a peak, and of what is derived from it."""
    values = {"variance": variance, "frequency": frequency, "fwhm": fwhm, **more}
    return [parameter(name, p, v, errors=errors, at_bound=p in at_bound) for p, v in values.items()]


def parameters_of(rows):
    """The parameters of one product's model as arrays."""
    table = to_arrow(PARAMETERS, rows)
    return Parameters.from_table(table, np.zeros(table.num_rows, np.int64), 1)


def peaks_of(rows):
    """The peaks of one product's model."""
    return Peaks.of(parameters_of(rows))


def merged(files=None, products=None, models=None, parameters=(), options=None):
    """The row of SOURCES of one source, and its rows of EPOCHS, in the order of the products."""
    tables = (
        to_arrow(OBSERVATIONS, [file()] if files is None else files),
        to_arrow(SPECTRA, [product()] if products is None else products),
        to_arrow(MODELS, [model("power_law", best=True)] if models is None else models),
        to_arrow(PARAMETERS, list(parameters)),
    )
    rows = merge([SOURCE], *tables, options or CatalogOptions())
    (source,) = rows_of(rows.sources)
    return source, rows_of(rows.epochs)


def row(*arguments, **more):
    """The row of SOURCES of one source."""
    return merged(*arguments, **more)[0]


def qpo_of(parameters, min_q=2.0, frequency_range=None):
    """Names of the QPO and of its rival, None and empty for none, and the ratio of their rms."""
    peaks = peaks_of(parameters)
    found = choose_qpos(peaks, 1, min_q, frequency_range)
    names = [None if k < 0 else peaks.component[k] for k in (found.peak[0], found.rival[0])]
    return names[0], names[1] or "", found.rival_ratio[0]


def harmonics_of(parameters, min_q=2.0):
    """Names of the harmonics of the QPO, and their ratios to it."""
    peaks = peaks_of(parameters)
    found = harmonics(peaks, choose_qpos(peaks, 1, min_q), min_q)
    return found.components[0], found.ratios[0]
