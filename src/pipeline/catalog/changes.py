"""What is different between two catalogues, and why: input, configuration or code."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

NO_CAUSE = frozenset({"shards", "simulate"})
"""Parts of the configuration that do not change a result."""

_TEXT = ("status", "model", "product")


def measured_columns(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return the columns that have errors, each with those of its lower and upper error."""
    names = list(names)
    result = {}
    for name in names:
        for errors in ((f"{name}_err_lo", f"{name}_err_hi"), (f"{name}_err", f"{name}_err")):
            if set(errors) <= set(names):
                result[name] = errors
    return result


def changed_sources(old: pa.Table, new: pa.Table, sigma: float) -> dict[str, list[dict]]:
    """Compare the sources that two catalogues have in common.

    Parameters
    ----------
    old, new : pyarrow.Table
        SOURCES, of this version or another: columns that only one has are not compared.
    sigma : float
        By how many standard errors a value has to differ. The error is the larger one of those
        that face the other value: the two are mostly from the same data, so they do not add.

    Returns
    -------
    dict
        Source to what changed, a dictionary a column: ``column``, ``old`` and ``new``; for a value
        with errors also ``old_err`` and ``new_err`` (lower, upper) and ``sigma``. A value that
        appears, or is gone, is None on one side, and so is then ``sigma``; a status, a model or a
        product has changed where it is another.
    """
    old, new = _in_common(old, new)
    sources = old.column("source_id").to_pylist()
    names = [name for name in new.column_names if name in old.column_names]
    result: dict[str, list[dict]] = {}
    for name in _TEXT:
        if name in names:
            pairs = zip(old.column(name).to_pylist(), new.column(name).to_pylist(), strict=True)
            for source, (was, now) in zip(sources, pairs, strict=True):
                if was != now:
                    result.setdefault(source, []).append({"column": name, "old": was, "new": now})
    for name, errors in measured_columns(names).items():
        was, now = (_values(table, name, errors) for table in (old, new))
        distance = _distance(was, now)
        appeared = np.isnan(was[0]) != np.isnan(now[0])
        for i in np.flatnonzero(appeared | (distance > sigma)):
            row = {"column": name, "old": _number(was[0, i]), "new": _number(now[0, i])}
            row |= {"old_err": [_number(e) for e in was[1:, i]]}
            row |= {"new_err": [_number(e) for e in now[1:, i]]}
            row |= {"sigma": _number(distance[i])}
            result.setdefault(sources[i], []).append(row)
    return {source: result[source] for source in sorted(result)}


def _in_common(old: pa.Table, new: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Return the rows of the sources that both have, in the same order."""
    places = [{s: i for i, s in enumerate(t.column("source_id").to_pylist())} for t in (old, new)]
    both = sorted(places[0].keys() & places[1].keys())
    old, new = (
        table.take(pa.array([place[source] for source in both], pa.int64()))
        for table, place in zip((old, new), places, strict=True)
    )
    return old, new


def _values(table, name, errors) -> np.ndarray:
    """Return a column and its lower and upper errors, shape (3, rows)."""
    return np.array([table.column(column).to_numpy() for column in (name, *errors)], float)


def _distance(old, new) -> np.ndarray:
    """Return by how many standard errors values differ; infinite where neither has an error."""
    difference = new[0] - old[0]
    facing = np.where(difference > 0, np.fmax(old[2], new[1]), np.fmax(old[1], new[2]))
    other = np.fmax(np.fmax(old[1], new[1]), np.fmax(old[2], new[2]))
    error = np.nan_to_num(np.where(np.isnan(facing), other, facing))
    moved = np.abs(difference) > 1e-9 * np.abs(old[0])
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.isnan(difference), np.nan, moved * np.abs(difference) / error)


def _number(value) -> float | None:
    return float(value) if np.isfinite(value) else None


def changed_files(old: Mapping[str, Mapping], new: Mapping[str, Mapping]) -> dict[str, list[str]]:
    """Compare the files of two catalogues.

    Parameters
    ----------
    old, new : mapping
        File to its row of OBSERVATIONS.

    Returns
    -------
    dict
        Files that are ``new``, ``removed`` and ``changed``. The checksum tells; the version where
        one of the two was not read to its end; and a file whose response changed is another.
    """
    both = sorted(old.keys() & new.keys())
    return {
        "new": sorted(new.keys() - old.keys()),
        "removed": sorted(old.keys() - new.keys()),
        "changed": [file for file in both if _is_another(old[file], new[file])],
    }


def _is_another(old: Mapping, new: Mapping) -> bool:
    keys = ["sha256" if old.get("sha256") and new.get("sha256") else "version", "response_version"]
    return any(old[key] != new[key] for key in keys if key in old and key in new)


def changed_values(old: Mapping, new: Mapping, prefix: str = "") -> dict[str, list[Any]]:
    """Return the leaves of two nested mappings that differ: dotted key to old and new, None if absent."""
    result = {}
    for key in sorted(old.keys() | new.keys()):
        was, now = old.get(key), new.get(key)
        if isinstance(was, dict) and isinstance(now, dict):
            result |= changed_values(was, now, f"{prefix}{key}.")
        elif was != now:
            result[f"{prefix}{key}"] = [was, now]
    return result


def changed_setting(old: Mapping, new: Mapping) -> tuple[dict, dict]:
    """Return what differs in configuration and in code, from two provenance records."""
    configurations = [
        {k: v for k, v in record["configuration"].items() if k not in NO_CAUSE}
        for record in (old, new)
    ]
    codes = [
        {"pipeline": record["pipeline"]["code_version"], **record["versions"]}
        for record in (old, new)
    ]
    return changed_values(*configurations), changed_values(*codes)
