"""One row of the catalogue for a source, from its files, power spectra, fits and parameters."""

import functools
import operator
from collections.abc import Mapping, Sequence
from math import inf, isfinite, nan

from pipeline.catalog.lengths import leaked, too_short
from pipeline.catalog.pulses import without_pulse
from pipeline.catalog.qpo import (
    AMBIGUOUS_RATIO,
    Parameters,
    choose_qpo,
    harmonics,
    index,
    is_of,
    quality,
)
from pipeline.columns.catalogue import FITTED, SOURCES
from pipeline.columns.spectra import SPECTRA
from pipeline.config.catalog import CatalogOptions
from pipeline.status import HAS_RESULT, Fault, Flag, Status, without
from pipeline.tables import empty_row

_IDENTITY = ("object", "mission", "instrument", "ra", "dec", "kind")
_JUDGEMENT = ("status", "flags", "reason")
_FROM_PRODUCT = tuple(n for n in SOURCES.names if n in SPECTRA.names and n not in _JUDGEMENT)
_FROM_FIT = ("model", "n_bins", "norm", "statistic", "deviance", "n_free")
_FROM_CHECK = ("t_sse_p_value", "outlier_frequency", "outlier_p_value")
_LIMIT = "below"
"""Method of a p-value that is an upper limit."""
_SLOPES = (("power_law.1", "slope"), ("bending_power_law.1", "slope_high"))


def source_row(
    source_id: str,
    files: Sequence[Mapping],
    products: Sequence[Mapping],
    models: Sequence[Mapping],
    parameters: Sequence[Mapping],
    options: CatalogOptions,
) -> dict:
    """Return the row of SOURCES of one source.

    Parameters
    ----------
    source_id : str
        Which.
    files, products, models : sequence of mapping
        Its rows of OBSERVATIONS, of SPECTRA (without the arrays) and of MODELS.
    parameters : sequence of mapping
        Its rows of PARAMETERS that belong to a chosen model.
    options : CatalogOptions
        What a QPO is.
    """
    fits = {m["product"]: m for m in models if m["best"] and Status(m["status"]) in HAS_RESULT}
    product = choose_product(products, fits)
    fit = fits.get(product["product"]) if product else None
    row = empty_row(SOURCES) | {"source_id": source_id, "n_files": len(files)}
    row |= _from_files(files)
    row["flags"] = functools.reduce(operator.or_, (f.get("flags", 0) for f in files), 0)
    if product:
        row |= {n: product[n] for n in _FROM_PRODUCT if _known(product[n])}
        row["observation_id"] = next(iter(product["observation_ids"]), row["observation_id"])
        row["flags"] |= product["flags"]
    if fit is None:
        return row | _why_not(files, product, models)
    rivals = [m for m in models if m["product"] == product["product"]]
    own = index(p for p in parameters if p["product"] == product["product"])
    row |= {n: fit[n] for n in (*_FROM_FIT, *_FROM_CHECK, "status", "reason")}
    row |= {"n_products": len(fits)} | runner_up(rivals) | _continuum(own)
    name, qpo, qpo_flags = _qpo(without_pulse(own, product), options)
    test = _test(rivals, own, name)
    if name and not isfinite(test.get("qpo_p_value", nan)):
        qpo_flags |= Flag.QPO_UNTESTED if test else Flag.NO_P_VALUE
    qpo_flags |= Flag.LEAKAGE if leaked(product, row) else Flag(0)
    qpo_flags |= Flag.SHORT_SEGMENTS if too_short(product, own, products) else Flag(0)
    partial = len(fits) < len(products) or any(_failed(f["status"]) for f in files)
    row["flags"] |= fit["flags"] | qpo_flags | (Flag.PARTIAL if partial else 0)
    if all(name.split(".")[0] == "constant" for name in fit["components"]):
        row["flags"] |= Flag.WHITE_NOISE_MODEL
    row |= {
        f"{name}_p_is_limit": fit.get(f"{name}_method") == _LIMIT for name in ("t_sse", "outlier")
    }
    row |= qpo | test
    return row | {"flags": with_open_intervals(row)}


def with_open_intervals(row: Mapping) -> int:
    """Return the flags of a row of SOURCES, with that of open intervals where it has one."""
    is_open = any(row.get(f"{name}_open_{side}") for name in FITTED for side in ("lo", "hi"))
    flags = without(row["flags"], Flag.OPEN_INTERVAL)
    return int(flags | (Flag.OPEN_INTERVAL if is_open else 0))


def choose_product(products: Sequence[Mapping], fits: Mapping[str, Mapping]) -> Mapping | None:
    """Return the product that stands for its source: a fitted one, then the one with most data.

    Most counts; where counts mean nothing (fluxes, spectra), exposure times mean rate; then most
    segments. Products that tie are taken in the order of their names.
    """

    def rank(product):
        weight = product["counts"]
        if not isfinite(weight):
            weight = product["exposure"] * product["mean_rate"]
        return product["product"] in fits, weight if isfinite(weight) else -inf, product["m"]

    return max(sorted(products, key=lambda p: p["product"]), key=rank, default=None)


def _test(models, parameters: Parameters, qpo) -> dict:
    """Columns of the test for a peak, of the model of a product that was tested; empty where none was.

    Where there is a QPO the p-value is given if the peak that was tested is it; of another one, place and
    component are.
    """
    for model in models:
        if not isfinite(model["lrt_p_value"]):
            continue
        columns = {
            "qpo_p_component": model["lrt_component"],
            "qpo_p_frequency": model["lrt_frequency"],
        }
        if qpo is None or is_of(parameters, qpo, model):
            names = ("p_value", "p_error", "method")
            into = ("qpo_p_value", "qpo_p_error", "qpo_p_method")
            columns |= {c: model[f"lrt_{n}"] for n, c in zip(names, into, strict=True)}
            columns["qpo_p_is_limit"] = model.get("lrt_method") == _LIMIT
        return columns
    return {}


def runner_up(models: Sequence[Mapping]) -> dict:
    """Return the second best description of a product and by how much its BIC is higher.

    That is another model or the chosen one with or without one of its components, whichever came
    closer. Models without a result are no rivals; with no rival the name is empty and the difference
    NaN.
    """
    fitted = [m for m in models if Status(m["status"]) in HAS_RESULT and isfinite(m["bic"])]
    best = next((m for m in fitted if m["best"]), None)
    if best is None:
        return {"runner_up": "", "delta_bic": nan}
    rivals = [(m["bic"] - best["bic"], m["model"]) for m in fitted if not m["best"]]
    if isfinite(best["rival_delta_bic"]):
        rivals.append((best["rival_delta_bic"], _beside(best)))
    delta, name = min(rivals, default=(nan, ""))
    return {"runner_up": name, "delta_bic": delta}


def _beside(model) -> str:
    """Name of the decomposition that lost to a model, by what it has more or less."""
    own, other = set(model["components"]), set(model["rival_components"])
    parts = [f"without {c}" for c in sorted(own - other)]
    parts += [f"with {c}" for c in sorted(other - own)]
    return " ".join([model["model"], *parts])


def _from_files(files: Sequence[Mapping]) -> dict:
    """Who a source is and when it was observed, as its files say it: the first that knows."""
    row = {}
    for name in (*_IDENTITY, "observation_id"):
        known = [f[name] for f in files if _known(f[name])]
        if known:
            row[name] = known[0]
    for name, pick in (("mjd_start", min), ("mjd_stop", max)):
        row[name] = pick((f[name] for f in files if isfinite(f[name])), default=nan)
    return row


def _why_not(files, product, models) -> dict:
    """Status and reason of a source without a fit: those of the last stage that had it."""
    ends = [m for m in models if product and m["product"] == product["product"]]
    ends += [product] if product else []
    ends += [f for f in files if _failed(f["status"])]
    found = [e for e in ends if Status(e["status"]) not in HAS_RESULT]
    if not found:
        return {"status": Status.ERROR, "reason": "No stage says why; this is a bug, report it."}
    reason = next((e["reason"] for e in found if e["reason"]), Status(found[0]["status"]).sentence)
    return {"status": found[0]["status"], "reason": reason}


def _continuum(parameters: Parameters) -> dict:
    """Slope and bend frequency of the power law, where the model has one."""
    row = {}
    for key in _SLOPES:
        row |= _measured("slope", parameters.get(key))
    return (
        row
        | _measured("bend_frequency", parameters.get(("bending_power_law.1", "bend_frequency")))
        | _measured("nu_max", parameters.get(("envelope.1", "nu_max")))
    )


def _qpo(parameters: Parameters, options: CatalogOptions) -> tuple[str | None, dict, int]:
    """Name of the QPO's component, its columns and flags; None and empty where there is none."""
    name, rival, ratio = choose_qpo(parameters, options.qpo_min_q, options.qpo_frequency_range)
    if name is None:
        return None, {}, 0
    row = {"qpo_q": quality(parameters, name), "qpo_rival": rival, "qpo_rival_ratio": ratio}
    named = harmonics(parameters, name, options.qpo_min_q)
    row |= dict(zip(("qpo_harmonics", "qpo_harmonic_ratios"), named, strict=True))
    for parameter in ("frequency", "fwhm", "q", "rms"):
        row |= _measured(f"qpo_{parameter}", parameters.get((name, parameter)))
    flags = Flag(0)
    if ratio >= AMBIGUOUS_RATIO:
        flags |= Flag.QPO_AMBIGUOUS
    if "+" in name:
        flags |= Flag.QPO_BLEND
    if (name, "rms") not in parameters:
        flags |= Flag.RMS_UNKNOWN
    return name, row, flags


def _measured(name: str, parameter: Mapping | None) -> dict:
    """A value, its errors and its limit under the catalogue's names; nothing without a parameter."""
    if parameter is None:
        return {}
    is_open = parameter.get("open_lo", False), parameter.get("open_hi", False)
    return {
        name: parameter["value"],
        f"{name}_err_lo": parameter["err_lo"],
        f"{name}_err_hi": parameter["err_hi"],
        f"{name}_open_lo": is_open[0],
        f"{name}_open_hi": is_open[1],
        f"{name}_limit": parameter.get(
            "lower_limit" if is_open == (False, True) else "upper_limit", nan
        ),
    }


def _known(value) -> bool:
    """Whether a cell says something: it is neither empty text nor NaN."""
    return value != "" and value == value


def _failed(status: str) -> bool:
    return Status(status).fault is not Fault.NOBODY
