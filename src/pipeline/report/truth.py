"""Injected against recovered values of a simulated archive."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite, nan
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.columns.catalogue import SOURCES
from pipeline.report.embed import compact, records
from pipeline.status import Flag
from pipeline.tables import rows_of

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
_MAX_POINTS = 2000
"""Points of a plot; of more, every second, third, ... is drawn."""
_POINT = ("object", "source_id", "injected", "recovered", "err_lo", "err_hi", "pull")


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
    found, injected = rows_of(sources), rows_of(truth)
    rows = compare(found, injected)
    points, table = {}, []
    for line in summary(rows):
        mine = [row for row in rows if row["quantity"] == line["quantity"]]
        pulls = np.array([row["pull"] for row in mine if isfinite(row["pull"])])
        counts, _ = np.histogram(pulls.clip(-5, 5), 20, (-5, 5))
        table.append({k: compact(v) for k, v in line.items()} | {"pulls": counts.tolist()})
        every = -(-len(mine) // _MAX_POINTS)
        points[line["quantity"]] = records(mine[:: max(every, 1)], _POINT)
    return {"summary": table, "points": points, "false_qpos": false_qpos(found, injected)}


def object_key(name: str) -> str:
    """Return an object's name without what archives spell differently: case, blanks, underscores."""
    return "".join(name.upper().replace("_", " ").split())


def compare(sources: Iterable[Mapping], truth: Iterable[Mapping]) -> list[dict]:
    """Join injected values with those of the catalogue.

    Parameters
    ----------
    sources : iterable of mapping
        Rows of SOURCES.
    truth : iterable of mapping
        Rows of TRUTH; NaN where nothing was injected.

    Returns
    -------
    list of dict
        One a source and injected quantity: ``object``, ``source_id``, ``quantity``, ``injected``,
        ``recovered``, ``err_lo``, ``err_hi``, ``pull``, ``within`` (three errors) and ``knowable``. A
        quantity that was not recovered has NaN and is not within them; so has one whose source is not
        there. A quantity that the data do not hold, such as an rms without a rate, was not missed: it is not knowable.
    """
    found = defaultdict(list)
    for source in sources:
        found[object_key(source["object"])].append(source)
    rows = []
    for injected in truth:
        for source in found.get(object_key(injected["object"]), [{}]):
            rows += [
                _comparison(injected, source, quantity)
                for quantity in QUANTITIES
                if isfinite(injected[quantity])
            ]
    return rows


def pull(
    injected: float,
    recovered: float,
    err_lo: float,
    err_hi: float,
    open_sides: tuple[bool, bool] = (False, False),
) -> float:
    """Return (recovered - injected) / error, with the error on the side of the injected value.

    Zero where the interval has no end on that side (``open_sides``: below, above); NaN where there is no
    value or no positive error.
    """
    if isfinite(recovered) and open_sides[injected > recovered]:
        return 0.0
    error = err_hi if injected > recovered else err_lo
    return (recovered - injected) / error if error > 0 else nan


def summary(rows: Sequence[Mapping]) -> list[dict]:
    """Return one row a quantity: how many were injected, recovered, and within their errors.

    The fractions ``within_1`` and ``within_3`` are of all that were injected, so that a value that
    was missed counts against them. Those that the data do not hold are not counted: ``unknowable``.
    """
    table = []
    for quantity in QUANTITIES:
        every = [row for row in rows if row["quantity"] == quantity]
        mine = [row for row in every if row["knowable"]]
        pulls = [row["pull"] for row in mine if isfinite(row["pull"])]
        if every:
            table.append(
                {
                    "quantity": quantity,
                    "injected": len(every),
                    "unknowable": len(every) - len(mine),
                    "recovered": sum(isfinite(row["recovered"]) for row in mine),
                    "median_pull": median(pulls) if pulls else nan,
                    "within_1": sum(abs(p) <= 1 for p in pulls) / max(1, len(mine)),
                    "within_3": sum(row["within"] for row in mine) / max(1, len(mine)),
                }
            )
    return table


def false_qpos(sources: Iterable[Mapping], truth: Iterable[Mapping]) -> list[str]:
    """Return the sources with a QPO in the catalogue where none was injected."""
    quiet = {object_key(t["object"]) for t in truth if not isfinite(t["qpo_frequency"])}
    return sorted(
        source["source_id"]
        for source in sources
        if object_key(source["object"]) in quiet and isfinite(source["qpo_frequency"])
    )


def truth_table(sources: Sequence[Mapping], truth: Sequence[Mapping]) -> str:
    """Return injected against recovered values as text for a terminal.

    Parameters
    ----------
    sources, truth : sequence of mapping
        Rows of SOURCES and of TRUTH.
    """
    rows = compare(sources, truth)
    width = max([6, *(len(row["object"]) for row in rows)])
    cells: defaultdict[tuple[str, str], dict[str, Mapping]] = defaultdict(dict)
    for row in rows:
        cells[row["object"], row["source_id"]][row["quantity"]] = row
    head = f"{'injected':>10} {'recovered':>10} {'-error':>9} {'+error':>9} {'pull':>6}"
    lines = [f"{'':<{width}}" + "".join(f" | {name:<{len(head)}}" for name in _PRINTED)]
    lines.append(f"{'object':<{width}}" + f" | {head}" * len(_PRINTED))
    for (name, _), found in sorted(cells.items()):
        if any(quantity in found for quantity in _PRINTED):
            parts = [_cells(found.get(quantity), len(head)) for quantity in _PRINTED]
            lines.append(" | ".join([f"{name:<{width}}", *parts]).rstrip())
    lines.append("")
    for row in summary(rows):
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


def _comparison(injected: Mapping, source: Mapping, quantity: str) -> dict:
    value = source.get(quantity, nan)
    lo, hi = (source.get(f"{quantity}_err_{side}", nan) for side in ("lo", "hi"))
    below, above = (bool(source.get(f"{quantity}_open_{side}")) for side in ("lo", "hi"))
    deviation = pull(injected[quantity], value, lo, hi, (below, above))
    flag, _ = _UNKNOWABLE.get(quantity, (Flag(0), ""))
    return {
        "object": injected["object"],
        "source_id": source.get("source_id", ""),
        "quantity": quantity,
        "injected": injected[quantity],
        "recovered": value,
        "err_lo": lo,
        "err_hi": hi,
        "pull": deviation,
        "within": abs(deviation) <= _SIGMAS,
        "knowable": isfinite(value) or not source.get("flags", 0) & flag,
    }


def _cells(row: Mapping | None, width: int) -> str:
    """Return the numbers of a comparison under the table's heads, blank where there is none."""
    if row is None:
        return " " * width
    names = ("injected", "recovered", "err_lo", "err_hi", "pull")
    layout = zip(names, (10, 10, 9, 9, 6), (5, 5, 2, 2, 2), strict=True)
    return " ".join(f"{_text(row[name], digits):>{size}}" for name, size, digits in layout)


def _text(value: float, digits: int) -> str:
    return f"{value:.{digits}g}" if isfinite(value) else "-"
