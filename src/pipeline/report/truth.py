"""Injected against recovered values of a simulated archive."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from math import isfinite, nan
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike

from pipeline.columns.catalogue import SOURCES
from pipeline.report.embed import compact
from pipeline.status import Flag

QUANTITIES = ("slope", "bend_frequency", "qpo_frequency", "qpo_fwhm", "qpo_rms")
_PRINTED = ("slope", "qpo_frequency")
"""Those that the table for a terminal lists source by source; the others fill its summary only."""
_SIGMAS = 3
_UNKNOWABLE = {"qpo_rms": (Flag.RMS_UNKNOWN, "no mean rate")}
"""Quantities that some data do not hold, by the flag of the source that says so, and why."""


COMPARED = tuple(
    name
    for name in SOURCES.names
    if name in ("source_id", "object", "flags")
    or any(
        name in (q, f"{q}_err_lo", f"{q}_err_hi", f"{q}_open_lo", f"{q}_open_hi")
        for q in QUANTITIES
    )
)
"""Columns of SOURCES that the comparison needs, in their order."""
_MAX_LINES = 1000
"""Sources in the table for a terminal."""
_MAX_POINTS = 2000
"""Points of a plot; of more, every second, third, ... is drawn."""
_POINT = ("object", "source_id", "injected", "recovered", "err_lo", "err_hi", "pull")
_KNOWN = ("injected", "recovered", "err_lo", "err_hi", "pull")


@dataclass(frozen=True)
class Comparison:
    """Injected and recovered values, one for each source and injected quantity.

    A quantity that was not recovered has NaN and is not within its errors; so has one whose source is not there. A
    quantity that the data do not hold, such as an rms without a rate, was not missed: it is not knowable.

    Attributes
    ----------
    object, source_id : ndarray of object, shape (n,)
        Name of the injected object; source, or empty text.
    quantity : ndarray of int, shape (n,)
        Place in `QUANTITIES`.
    injected, recovered, err_lo, err_hi : ndarray, shape (n,)
        Values and errors.
    pull : ndarray, shape (n,)
        See `pull`.
    knowable : ndarray of bool, shape (n,)
        Whether the data hold the quantity.
    """

    object: np.ndarray
    source_id: np.ndarray
    quantity: np.ndarray
    injected: np.ndarray
    recovered: np.ndarray
    err_lo: np.ndarray
    err_hi: np.ndarray
    pull: np.ndarray
    knowable: np.ndarray

    @property
    def within(self) -> np.ndarray:
        """Whether the injected value is within three errors, shape (n,)."""
        return np.abs(self.pull) <= _SIGMAS

    def select(self, rows: np.ndarray) -> Self:
        """Return some of the rows, by their numbers or by a mask."""
        return type(self)(**{one.name: getattr(self, one.name)[rows] for one in fields(self)})

    def records(self, names: Sequence[str]) -> list[list]:
        """Return rows as lists, their numbers as `pipeline.report.embed.compact` returns them."""
        columns = [getattr(self, name).tolist() for name in names]
        return [[compact(cell) for cell in row] for row in zip(*columns, strict=True)]


def truth_data(sources: pa.Table, truth: pa.Table) -> dict[str, Any]:
    """Return the comparison for the page.

    Parameters
    ----------
    sources, truth : pyarrow.Table
        `COMPARED` of SOURCES; TRUTH.

    Returns
    -------
    dict
        ``summary`` as from the function of this name, with the counts ``pulls`` in 20 bins from -5 to 5, whose
        ends hold what is beyond; ``points`` by quantity; ``false_qpos``.
    """
    compared = compare(sources, truth)
    points, table = {}, []
    for line in summary(compared):
        name = line["quantity"]
        mine = compared.select(compared.quantity == QUANTITIES.index(name))
        pulls = mine.pull[np.isfinite(mine.pull)]
        counts, _ = np.histogram(pulls.clip(-5, 5), 20, (-5, 5))
        table.append({k: compact(v) for k, v in line.items()} | {"pulls": counts.tolist()})
        every = max(-(-len(mine.pull) // _MAX_POINTS), 1)
        points[name] = mine.select(np.arange(0, len(mine.pull), every)).records(_POINT)
    return {"summary": table, "points": points, "false_qpos": false_qpos(sources, truth)}


def object_key(name: str) -> str:
    """Return an object's name without what archives spell differently: case, blanks, underscores."""
    return "".join(name.upper().replace("_", " ").split())


def compare(sources: pa.Table, truth: pa.Table) -> Comparison:
    """Join injected values with those of the catalogue.

    Parameters
    ----------
    sources, truth : pyarrow.Table
        `COMPARED` of SOURCES, and TRUTH, in which NaN stands where nothing was injected.
    """
    injected_of, source_of = _pairs(sources, truth)
    there = source_of >= 0

    def of_sources(column: str, missing: Any) -> np.ndarray:
        cells = sources.column(column).to_numpy()
        found = np.full(len(there), missing, dtype=cells.dtype)
        found[there] = cells[source_of[there]]
        return found

    def by_quantity(ending: str, missing: Any) -> np.ndarray:
        known = sources.column_names
        columns = [
            of_sources(q + ending, missing) if q + ending in known else np.full(len(there), missing)
            for q in QUANTITIES
        ]
        return np.stack(columns, axis=1)

    injected = np.stack([truth.column(q).to_numpy()[injected_of] for q in QUANTITIES], axis=1)
    recovered, lo, hi = (by_quantity(ending, nan) for ending in ("", "_err_lo", "_err_hi"))
    open_lo, open_hi = (by_quantity(ending, False) for ending in ("_open_lo", "_open_hi"))
    flags = of_sources("flags", 0)
    masks = [int(_UNKNOWABLE.get(q, (Flag(0), ""))[0]) for q in QUANTITIES]
    asked = np.isfinite(injected)
    pair, quantity = np.nonzero(asked)
    return Comparison(
        object=truth.column("object").to_numpy()[injected_of][pair],
        source_id=of_sources("source_id", "")[pair],
        quantity=quantity,
        injected=injected[asked],
        recovered=recovered[asked],
        err_lo=lo[asked],
        err_hi=hi[asked],
        pull=pull(injected, recovered, lo, hi, (open_lo, open_hi))[asked],
        knowable=(np.isfinite(recovered) | (flags[:, None] & np.array(masks) == 0))[asked],
    )


def _pairs(sources: pa.Table, truth: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of TRUTH and of SOURCES that are of one object, -1 where an object has no source."""
    found = defaultdict(list)
    for number, name in enumerate(sources.column("object").to_pylist()):
        found[object_key(name)].append(number)
    pairs = [
        (row, number)
        for row, name in enumerate(truth.column("object").to_pylist())
        for number in found.get(object_key(name), [-1])
    ]
    injected_of, source_of = np.array(pairs, dtype=int).reshape(-1, 2).T
    return injected_of, source_of


def pull(
    injected: ArrayLike,
    recovered: ArrayLike,
    err_lo: ArrayLike,
    err_hi: ArrayLike,
    open_sides: tuple[ArrayLike, ArrayLike] = (False, False),
) -> np.ndarray:
    """Return (recovered - injected) / error, with the error on the side of the injected value.

    Zero where the interval has no end on that side (``open_sides``: below, above); NaN where there is no
    value or no positive error. All arguments have one shape, and so has what is returned.
    """
    injected, recovered = np.asarray(injected, float), np.asarray(recovered, float)
    above = injected > recovered
    error = np.where(above, err_hi, err_lo)
    deviation = np.divide(
        recovered - injected, error, out=np.full(error.shape, nan), where=error > 0
    )
    is_open = np.where(above, open_sides[1], open_sides[0])
    return np.where(np.isfinite(recovered) & is_open, 0.0, deviation)


def summary(compared: Comparison) -> list[dict]:
    """Return one row a quantity: how many were injected, recovered, and within their errors.

    The fractions ``within_1`` and ``within_3`` are of all that were injected, so that a value that
    was missed counts against them. Those that the data do not hold are not counted: ``unknowable``.
    """
    table = []
    for place, quantity in enumerate(QUANTITIES):
        every = compared.select(compared.quantity == place)
        mine = every.select(every.knowable)
        pulls = mine.pull[np.isfinite(mine.pull)]
        number = max(1, len(mine.pull))
        if len(every.pull):
            table.append(
                {
                    "quantity": quantity,
                    "injected": len(every.pull),
                    "unknowable": len(every.pull) - len(mine.pull),
                    "recovered": int(np.isfinite(mine.recovered).sum()),
                    "median_pull": float(np.median(pulls)) if len(pulls) else nan,
                    "within_1": float((np.abs(pulls) <= 1).sum() / number),
                    "within_3": float(mine.within.sum() / number),
                }
            )
    return table


def false_qpos(sources: pa.Table, truth: pa.Table) -> list[str]:
    """Return the sources with a QPO in the catalogue where none was injected."""
    quiet_rows = truth.filter(pc.invert(pc.is_finite(truth.column("qpo_frequency"))))
    quiet = {object_key(name) for name in quiet_rows.column("object").to_pylist()}
    found = sources.filter(pc.is_finite(sources.column("qpo_frequency")))
    names = (found.column(name).to_pylist() for name in ("source_id", "object"))
    return sorted(source for source, name in zip(*names, strict=True) if object_key(name) in quiet)


def truth_table(sources: pa.Table, truth: pa.Table) -> str:
    """Return injected against recovered values as text for a terminal.

    Parameters
    ----------
    sources, truth : pyarrow.Table
        `COMPARED` of SOURCES, and TRUTH.
    """
    compared = compare(sources, truth)
    lines = _lines_of_sources(compared)
    lines.append("")
    for row in summary(compared):
        line = (
            f"{row['quantity']:<14}  {row['injected']:>4} injected, {row['recovered']:>4} recovered"
        )
        if row["unknowable"]:
            why = _UNKNOWABLE[row["quantity"]][1]
            line += f", {row['unknowable']:>4} that cannot be known ({why})"
        if row["unknowable"] < row["injected"]:
            line += f", {100 * row['within_1']:5.1f} % within 1 error"
            line += f", {100 * row['within_3']:5.1f} % within 3"
            line += " of the others" if row["unknowable"] else ""
        lines.append(line)
    lines.append(f"{len(false_qpos(sources, truth))} QPO(s) found where none was injected")
    return "\n".join(lines)


def _lines_of_sources(compared: Comparison) -> list[str]:
    """Return the head of the table for a terminal, and a line for each of the first sources."""
    printed = np.isin(compared.quantity, [QUANTITIES.index(name) for name in _PRINTED])
    cells: defaultdict[tuple[str, str], dict[str, dict]] = defaultdict(dict)
    few = compared.select(printed)
    for row, (name, source, quantity) in enumerate(
        zip(few.object, few.source_id, few.quantity, strict=True)
    ):
        values = {known: getattr(few, known)[row] for known in _KNOWN}
        cells[name, source][QUANTITIES[quantity]] = values
    width = max([6, *map(len, compared.object)])
    head = f"{'injected':>10} {'recovered':>10} {'-error':>9} {'+error':>9} {'pull':>6}"
    lines = [f"{'':<{width}}" + "".join(f" | {name:<{len(head)}}" for name in _PRINTED)]
    lines.append(f"{'object':<{width}}" + f" | {head}" * len(_PRINTED))
    for (name, _), found in sorted(cells.items())[:_MAX_LINES]:
        parts = [_cells(found.get(quantity), len(head)) for quantity in _PRINTED]
        lines.append(" | ".join([f"{name:<{width}}", *parts]).rstrip())
    if len(cells) > _MAX_LINES:
        lines.append(f"and {len(cells) - _MAX_LINES} more")
    return lines


def _cells(row: Mapping | None, width: int) -> str:
    """Return the numbers of a comparison under the table's heads, blank where there is none."""
    if row is None:
        return " " * width
    layout = zip(_KNOWN, (10, 10, 9, 9, 6), (5, 5, 2, 2, 2), strict=True)
    return " ".join(f"{_text(row[name], digits):>{size}}" for name, size, digits in layout)


def _text(value: float, digits: int) -> str:
    return f"{value:.{digits}g}" if isfinite(value) else "-"
