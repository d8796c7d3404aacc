"""Differences between two catalogues, and their causes: input, configuration or code."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

NO_CAUSE = frozenset({"shards", "simulate"})
"""Parts of the configuration that do not change a result."""

_TEXT = ("status", "model", "product")
"""Words of SOURCES that are compared."""

SAME = 1e-9
"""Part of a number by which it may differ and is still the same."""


def measured_columns(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return the columns that have errors, each with those of its lower and upper error."""
    names = list(names)
    result = {}
    for name in names:
        pairs = [(f"{name}_err_lo", f"{name}_err_hi"), (f"{name}_err", f"{name}_err")]
        pairs += [("err_lo", "err_hi")] if name == "value" else []
        for errors in pairs:
            if set(errors) <= set(names):
                result[name] = errors
    return result


def changed_sources(old: pa.Table, new: pa.Table, sigma: float) -> dict[str, list[dict]]:
    """Compare the sources that two catalogues have in common, by their status and by what has errors.

    See `changed_rows`.
    """
    old, new = _in_common(old, new, ("source_id",))
    return _by_row(old, ("source_id",), [*_words(old, new, _TEXT), *_measured(old, new, sigma)])


def changed_rows(
    old: pa.Table, new: pa.Table, key: Sequence[str], sigma: float
) -> dict[str, list[dict]]:
    """Compare the rows that two tables of a catalogue have in common.

    Parameters
    ----------
    old, new : pyarrow.Table
        A table of the catalogue, of this version or another: columns that only one has are not compared.
    key : sequence of str
        Columns by which rows are known.
    sigma : float
        By how many standard errors a value has to differ. The error is the larger one of those
        that face the other value: the two are mostly from the same data, so they do not add.

    Returns
    -------
    dict
        Row (the words of its key) to what changed, a dictionary a column: ``column``, ``old`` and ``new``; for a
        value with errors also ``old_err`` and ``new_err`` (lower, upper) and ``sigma``. A value that
        appears, or is gone, is None on one side, and so is then ``sigma``. Words have changed where they are
        others, and numbers without errors where they differ by more than 1e-9 of themselves.
    """
    old, new = _in_common(old, new, key)
    names = [name for name in new.column_names if name in old.column_names and name not in key]
    with_errors = measured_columns(_scalars(new, names))
    errors = {error for pair in with_errors.values() for error in pair}
    plain = [name for name in names if name not in with_errors and name not in errors]
    changes = [*_words(old, new, plain), *_measured(old, new, sigma), *_numbers(old, new, plain)]
    return _by_row(old, key, changes)


@dataclass(frozen=True)
class Change:
    """A difference in a row.

    Attributes
    ----------
    row : int
        Its number among the rows that both tables have.
    what : dict
        The column with its old and its new value: see `changed_rows`.
    """

    row: int
    what: dict[str, Any]


def _by_row(rows: pa.Table, key: Sequence[str], changes: Iterable[Change]) -> dict[str, list[dict]]:
    """Return changes by the words of the key of their row, sorted."""
    names = row_names(rows, key)
    result: dict[str, list[dict]] = {}
    for change in changes:
        result.setdefault(names[change.row], []).append(change.what)
    return {name: result[name] for name in sorted(result)}


def row_names(rows: pa.Table, key: Sequence[str]) -> list[str]:
    """Return the words of the key of each row, joined by a space."""
    columns = (rows.column(name).to_pylist() for name in key)
    return [" ".join(words) for words in zip(*columns, strict=True)]


def _words(old: pa.Table, new: pa.Table, names: Iterable[str]) -> Iterator[Change]:
    """Yield the words, and lists of words, that are others."""
    for name in names:
        if name in old.column_names and name in new.column_names and _is_text(old, name):
            pairs = zip(old.column(name).to_pylist(), new.column(name).to_pylist(), strict=True)
            for row, (was, now) in enumerate(pairs):
                if was != now:
                    yield Change(row, {"column": name, "old": _word(was), "new": _word(now)})


def _measured(old: pa.Table, new: pa.Table, sigma: float) -> Iterator[Change]:
    """Yield the values with errors that differ by more than some of these, appear or are gone."""
    names = [name for name in new.column_names if name in old.column_names]
    for name, errors in measured_columns(_scalars(new, names)).items():
        was, now = (_values(table, name, errors) for table in (old, new))
        distance = _distance(was, now)
        appeared = np.isnan(was[0]) != np.isnan(now[0])
        for i in np.flatnonzero(appeared | (distance > sigma)):
            what: dict[str, Any] = {
                "column": name,
                "old": _number(was[0, i]),
                "new": _number(now[0, i]),
            }
            what |= {"old_err": [_number(e) for e in was[1:, i]]}
            what |= {"new_err": [_number(e) for e in now[1:, i]]}
            yield Change(int(i), what | {"sigma": _number(distance[i])})


def _numbers(old: pa.Table, new: pa.Table, names: Iterable[str]) -> Iterator[Change]:
    """Yield the numbers without errors that are others; of lists, those in which any number is."""
    for name in names:
        if _is_text(old, name):
            continue
        pairs = zip(old.column(name).to_pylist(), new.column(name).to_pylist(), strict=True)
        for row, (was, now) in enumerate(pairs):
            if not _same(was, now):
                yield Change(row, {"column": name, "old": _plain(was), "new": _plain(now)})


def _same(was: Any, now: Any) -> bool:
    """Return whether two numbers, or two lists of numbers, are the same to 1e-9."""
    was, now = np.atleast_1d(was).astype(float), np.atleast_1d(now).astype(float)
    return was.shape == now.shape and np.allclose(was, now, rtol=SAME, atol=0.0, equal_nan=True)


def _plain(value: Any) -> Any:
    """Return a number, a truth value or a list of numbers as JSON has it."""
    if isinstance(value, list):
        return f"{len(value)} numbers"
    return value if isinstance(value, bool) or not isinstance(value, float) else _number(value)


def _word(value: Any) -> str:
    return " ".join(value) if isinstance(value, list) else value


def _scalars(table: pa.Table, names: Iterable[str]) -> list[str]:
    """Return the names of columns without lists."""
    return [name for name in names if not pa.types.is_list(table.schema.field(name).type)]


def _is_text(table: pa.Table, name: str) -> bool:
    """Return whether a column holds words or lists of words."""
    kind = table.schema.field(name).type
    return pa.types.is_string(kind.value_type if pa.types.is_list(kind) else kind)


def _in_common(old: pa.Table, new: pa.Table, key: Sequence[str]) -> tuple[pa.Table, pa.Table]:
    """Return the rows that both have, in the same order."""
    places = [{name: i for i, name in enumerate(row_names(table, key))} for table in (old, new)]
    both = sorted(places[0].keys() & places[1].keys())
    old, new = (
        table.take(pa.array([place[name] for name in both], pa.int64()))
        for table, place in zip((old, new), places, strict=True)
    )
    return old, new


def _values(table: pa.Table, name: str, errors: tuple[str, str]) -> np.ndarray:
    """Return a column and its lower and upper errors, shape (3, rows)."""
    return np.array([table.column(column).to_numpy() for column in (name, *errors)], float)


def _distance(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return by how many standard errors values differ; infinite where neither has an error."""
    difference = new[0] - old[0]
    facing = np.where(difference > 0, np.fmax(old[2], new[1]), np.fmax(old[1], new[2]))
    other = np.fmax(np.fmax(old[1], new[1]), np.fmax(old[2], new[2]))
    error = np.nan_to_num(np.where(np.isnan(facing), other, facing))
    moved = np.abs(difference) > SAME * np.abs(old[0])
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.isnan(difference), np.nan, moved * np.abs(difference) / error)


def _number(value: float) -> float | None:
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
    result: dict[str, list[Any]] = {}
    for key in sorted(old.keys() | new.keys()):
        was, now = old.get(key), new.get(key)
        if isinstance(was, dict) and isinstance(now, dict):
            result |= changed_values(was, now, f"{prefix}{key}.")
        elif was != now:
            result[f"{prefix}{key}"] = [was, now]
    return result


def changed_setting(old: Mapping, new: Mapping) -> tuple[dict, dict]:
    """Return what differs in configuration and in code, from two provenance records."""
    changed = changed_values(_configuration(old), _configuration(new))
    changed.pop("catalog.formats", None)  # other files, the same values
    return changed, changed_values(_code(old), _code(new))


def _configuration(record: Mapping) -> dict:
    return {k: v for k, v in record["configuration"].items() if k not in NO_CAUSE}


def _code(record: Mapping) -> dict:
    return {"pipeline": record["pipeline"]["code_version"], **record["versions"]}
