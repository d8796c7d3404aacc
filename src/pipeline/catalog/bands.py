"""What the bands and observations of a source say together: evidence of all, values of each."""

import functools
import operator
from collections.abc import Iterable, Mapping, Sequence
from math import inf, isfinite, nan

from pipeline.catalog.merge import source_row, with_open_intervals
from pipeline.columns.catalogue import EPOCHS, SOURCES
from pipeline.columns.shared import PULSE
from pipeline.components import LORENTZIANS
from pipeline.config.catalog import CatalogOptions
from pipeline.pvalues import combine
from pipeline.status import HAS_RESULT, Flag, Status, without

_QPO = tuple(n for n in SOURCES.names if n.startswith("qpo_"))
_PULSE = tuple(column.name for column in PULSE)
_OF_QPO = functools.reduce(
    operator.or_, (f for f in Flag if f.name.startswith("QPO_")), Flag.NO_P_VALUE
)
"""Flags that go where the QPO goes."""

_SIGNIFICANT = 0.01
"""Largest p-value of a peak in one observation of which the source's row tells."""


def source_and_epochs(
    source_id: str,
    files: Sequence[Mapping],
    products: Sequence[Mapping],
    models: Sequence[Mapping],
    parameters: Sequence[Mapping],
    options: CatalogOptions,
) -> tuple[dict, list[dict]]:
    """Return the row of SOURCES of a source and its rows of EPOCHS, a power spectrum each.

    Parameters
    ----------
    source_id : str
        Which.
    files, products, models, parameters : sequence of mapping
        As `pipeline.catalog.merge.source_row` takes them, the products of single observations
        (``epoch``) among them.
    options : CatalogOptions
        What a QPO is.

    Notes
    -----
    One product stands for the source (`pipeline.catalog.merge.choose_product`); its QPO is that of the
    product with the best evidence, and its p-value that of all its products together.
    """
    own = _by_product(models), _by_product(parameters)
    told = {}
    for product in products:
        name = product["product"]
        mine = _files_of(files, product)
        of_product = (group.get(name, []) for group in own)
        told[name] = source_row(source_id, mine, [product], *of_product, options)
    averaged = [p for p in products if not p["epoch"]]
    names = {p["product"] for p in averaged}
    fitted = ([row for row in rows if row["product"] in names] for rows in (models, parameters))
    row = source_row(source_id, files, averaged, *fitted, options)
    evidence = {name: _evidence(told[name], own[0].get(name, [])) for name in names}
    row = across_bands(row, [told[name] for name in sorted(names)], evidence)
    epochs = [told[p["product"]] | {"epoch": p["epoch"]} for p in products if p["epoch"]]
    row |= across_epochs(row, epochs)
    return row, [{n: r[n] for n in EPOCHS.names} for r in told.values()]


def across_bands(
    row: Mapping, bands: Sequence[Mapping], evidence: Mapping[str, tuple[float, float]]
) -> dict:
    """Return the row of a source with the QPO and the pulsation of the band that shows it best.

    Parameters
    ----------
    row : mapping
        Row of SOURCES, of the product that stands for the source.
    bands : sequence of mapping
        The same of each of its products alone, in the order of their names.
    evidence : mapping of str to (float, float)
        Of each product what its QPO is ranked by, the smallest first: see `_evidence`.
    """
    row = dict(row)
    with_qpo = [b for b in bands if isfinite(b["qpo_frequency"])]
    p_values = [b["qpo_p_value"] for b in bands]
    best = min(
        with_qpo or [b for b in bands if isfinite(b["qpo_p_value"])],
        key=lambda b: (evidence[b["product"]], b["product"] != row["product"]),
        default=None,
    )
    if best is not None:
        row |= {name: best[name] for name in _QPO}
        flags = without(row["flags"], _OF_QPO) | (best["flags"] & (_OF_QPO | Flag.UNRESOLVED))
        row |= {
            "qpo_product": best["product"] if with_qpo else "",
            "qpo_p_product": best["qpo_p_value"],
            "qpo_p_value": combine(p_values) if isfinite(best["qpo_p_value"]) else nan,
            "qpo_p_trials": sum(map(isfinite, p_values)),
            "flags": int(flags),
        }
    pulsed = [b for b in bands if isfinite(b["pulse_p_value"])]
    if pulsed:
        strongest = min(pulsed, key=lambda b: b["pulse_p_value"])
        row |= {name: strongest[name] for name in _PULSE}
        row["pulse_p_value"] = combine([b["pulse_p_value"] for b in pulsed])
        row["flags"] = int(row["flags"] | (strongest["flags"] & Flag.PULSATION))
    return row | {"flags": with_open_intervals(row)}


def across_epochs(row: Mapping, epochs: Sequence[Mapping]) -> dict:
    """Return the columns of a source that say what its single observations show.

    Parameters
    ----------
    row : mapping
        Row of SOURCES, of the average.
    epochs : sequence of mapping
        Rows like it of each observation and band, with ``epoch``.
    """
    tested = [e for e in epochs if isfinite(e["qpo_p_value"])]
    best = min(tested, key=lambda e: e["qpo_p_value"], default={"epoch": ""})
    columns = {
        "n_epochs": len({e["epoch"] for e in epochs}),
        "epoch_best": best["epoch"],
        "epoch_p_value": combine([e["qpo_p_value"] for e in tested]),
    }
    if tested:
        seen = columns["epoch_p_value"] <= _SIGNIFICANT
    else:
        seen = any(isfinite(e["qpo_frequency"]) for e in epochs)
    if seen and not isfinite(row["qpo_frequency"]):
        columns["flags"] = int(row["flags"] | Flag.QPO_IN_EPOCH)
    return columns


def _evidence(row: Mapping, models: Iterable[Mapping]) -> tuple[float, float]:
    """Return what the QPO of a product is ranked by: its p-value, then minus the fall of the BIC.

    The fall is from the best model without a Lorentzian; infinite where every model has one.
    """
    p = row["qpo_p_value"]
    fitted = [m for m in models if Status(m["status"]) in HAS_RESULT and isfinite(m["bic"])]
    best = min((m["bic"] for m in fitted if m["best"]), default=inf)
    without = min((m["bic"] for m in fitted if not _has_peak(m)), default=inf)
    return p if isfinite(p) else inf, best - without if isfinite(best) else inf


def _has_peak(model: Mapping) -> bool:
    return any(name.split(".")[0] in LORENTZIANS for name in model["components"])


def _by_product(rows: Iterable[Mapping]) -> dict[str, list[Mapping]]:
    groups: dict[str, list[Mapping]] = {}
    for row in rows:
        groups.setdefault(row["product"], []).append(row)
    return groups


def _files_of(files: Sequence[Mapping], product: Mapping) -> list[Mapping]:
    """Return the files of a product: those of its observations; all, where none is known."""
    known = {*product["observation_ids"], *([product["epoch"]] if product["epoch"] else [])}
    return [f for f in files if not known or f["observation_id"] in known]
