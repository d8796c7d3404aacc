"""Compares two catalogues: sources gained, lost and changed, and why, for people or as JSON."""

import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from pipeline.catalog.changes import (
    changed_files,
    changed_rows,
    changed_setting,
    changed_sources,
    row_names,
)
from pipeline.columns.base import Table
from pipeline.columns.catalogue import SOURCES
from pipeline.columns.observations import OBSERVATIONS
from pipeline.config.base import ConfigError
from pipeline.nulls import without_nulls
from pipeline.sealed import open_sealed
from pipeline.seals import Checksums, without_seal
from pipeline.stages import CATALOG

Files = Mapping[str, Mapping]
"""Rows of OBSERVATIONS by file."""

PUBLISHED = tuple(f.table for f in CATALOG.writes if f.table is not None)
"""Every table that a catalogue may have."""

_PLACES = ("", "catalog", "results/catalog")
_FILE = ("file", "source_id", "version", "sha256", "response_version", "status", "reason")


def run(
    *, old: Path, new: Path, sigma: float, as_json: bool, limit: int, table: str = SOURCES.name
) -> None:
    """Print what is different in catalogue `new`.

    Parameters
    ----------
    old, new : Path
        Folders of a catalogue, or of the survey that made it.
    sigma : float
        Standard errors by which a value has to differ.
    as_json : bool
        Whether to print one JSON object, which is complete, instead of text.
    limit : int
        Sources, or rows, of each sort that the text names; 0: all.
    table : str
        Name of the table that is compared. Of SOURCES causes are given, of the others what changed.

    Raises
    ------
    ConfigError
        When a folder holds no catalogue, or no such table.
    """
    of_sources = table.upper() == SOURCES.name
    result = compare(old, new, sigma) if of_sources else compare_table(old, new, table, sigma)
    if as_json:
        json.dump(result, sys.stdout, indent=2, allow_nan=False)
        print()
    else:
        print("\n".join(_lines(result, limit) if of_sources else _lines_of_table(result, limit)))


def compare(old: Path, new: Path, sigma: float) -> dict:
    """Return what `run` prints as JSON."""
    folders = [_folder(path) for path in (old, new)]
    before, after = (_rows(f / "sources.parquet", SOURCES) for f in folders)
    records = [json.loads((f / "provenance.json").read_text(encoding="utf-8")) for f in folders]
    files = [_files(folder) for folder in folders]
    input_changes = changed_files(*files)
    config, code = changed_setting(*records)
    common = [cause for cause, found in (("config", config), ("code", code)) if found]
    touched = _touched(files[0], files[1], input_changes)

    def why(source: str) -> dict:
        causes = (["input"] if source in touched else []) + common
        return {"why": causes or ["unknown"], "files": touched.get(source, {})}

    statuses = [
        dict(zip(*(t.column(c).to_pylist() for c in ("source_id", "status")), strict=True))
        for t in (before, after)
    ]
    changed = changed_sources(before, after, sigma)
    return {
        "old": {"folder": str(folders[0]), "sources": before.num_rows},
        "new": {"folder": str(folders[1]), "sources": after.num_rows},
        "sigma": sigma,
        "input": input_changes,
        "config": config,
        "code": code,
        "gained": [
            {"source_id": s, "status": statuses[1][s], **why(s), "was": _elsewhere(s, *files[::-1])}
            for s in sorted(statuses[1].keys() - statuses[0].keys())
        ],
        "lost": [
            {"source_id": s, "status": statuses[0][s], **why(s), "now": _elsewhere(s, *files)}
            for s in sorted(statuses[0].keys() - statuses[1].keys())
        ],
        "changed": [{"source_id": s, **why(s), "columns": c} for s, c in changed.items()],
    }


def compare_table(old: Path, new: Path, name: str, sigma: float) -> dict:
    """Return what is different in another table than SOURCES: rows gained, lost and changed."""
    known = {t.name: t for t in PUBLISHED}
    if name.upper() not in known:
        raise ConfigError(f"table: no table {name!r}; allowed: {', '.join(known)}")
    table = known[name.upper()]
    folders = [_folder(path) for path in (old, new)]
    files = [folder / f"{table.name.lower()}.parquet" for folder in folders]
    if missing := [str(file) for file in files if not file.is_file()]:
        raise ConfigError(f"table: {missing[0]!r} is not there")
    before, after = (_rows(file, table) for file in files)
    names = [set(row_names(rows, table.key)) for rows in (before, after)]
    changed = changed_rows(before, after, table.key, sigma)
    return {
        "table": table.name,
        "old": {"folder": str(folders[0]), "rows": before.num_rows},
        "new": {"folder": str(folders[1]), "rows": after.num_rows},
        "sigma": sigma,
        "gained": sorted(names[1] - names[0]),
        "lost": sorted(names[0] - names[1]),
        "changed": [{"row": row, "columns": columns} for row, columns in changed.items()],
    }


def _folder(path: Path) -> Path:
    """Return the folder of a catalogue, given it or that of its survey."""
    for place in _PLACES:
        if all((path / place / name).is_file() for name in ("sources.parquet", "provenance.json")):
            return path / place
    raise ConfigError(
        f"{str(path)!r} holds no catalogue; allowed: the folder of a survey that has run, or its "
        "results/catalog"
    )


def _files(folder: Path) -> dict[str, dict]:
    """Return the rows of OBSERVATIONS by file; another version may lack columns."""
    path = folder / "observations.parquet"
    return {row["file"]: row for row in _rows(path, OBSERVATIONS, _FILE).to_pylist()}


def _rows(path: Path, table: Table, names: Sequence[str] | None = None) -> pa.Table:
    """Return the rows of a published table, or those of some columns that it has; it may be of another version.

    Raises
    ------
    DamagedTable
        When it was altered.
    """
    with open_sealed(path, table.name) as file:
        known = file.schema_arrow.names
        columns = known if names is None else [name for name in names if name in known]
        Checksums(path, file.metadata).check(columns)
        data = file.read(columns)
    return without_nulls(data.replace_schema_metadata(without_seal(data.schema.metadata)))


def _touched(
    old: Files, new: Files, changes: Mapping[str, list[str]]
) -> dict[str, dict[str, list[str]]]:
    """Return the sources whose files differ, each with those that are new, removed and changed."""
    result: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for sort, names in changes.items():
        for name in names:
            sources = {files[name]["source_id"] for files in (old, new) if name in files}
            for source in sources - {""}:
                result[source][sort].append(name)
    return {source: dict(sorts) for source, sorts in result.items()}


def _elsewhere(source: str, files: Files, others: Files) -> list[str]:
    """Return what became of a source's files in the other catalogue: another source, or a status."""
    result = set()
    for name, row in files.items():
        other = others.get(name)
        if row["source_id"] == source and other is not None:
            result.add(other["source_id"] or other["status"])
    return sorted(result - {source})


def _lines(result: Mapping, limit: int) -> Iterator[str]:
    """Yield the lines of the text."""
    for side in ("old", "new"):
        about = result[side]
        yield f"{side:8}{about['folder']}: {about['sources']} sources"
    counts = [f"{len(names)} {sort}" for sort, names in result["input"].items()]
    yield f"input   files: {', '.join(counts)}"
    for cause in ("config", "code"):
        yield f"{cause:8}{'' if result[cause] else 'the same'}".rstrip()
        for key, (was, now) in result[cause].items():
            yield f"    {key}: {json.dumps(was)} -> {json.dumps(now)}"
    for sort, key in (("gained", "was"), ("lost", "now")):
        yield f"{sort:8}{len(result[sort])}"
        yield from _some(
            [
                [f"    {s['source_id']}: {s['status']}{_other(key, s)}; {_why(s)}"]
                for s in result[sort]
            ],
            limit,
        )
    yield f"changed {len(result['changed'])}, by more than {result['sigma']:g} sigma"
    yield from _some([_changed(source) for source in result["changed"]], limit)


def _lines_of_table(result: Mapping, limit: int) -> Iterator[str]:
    """Yield the lines of the text about one table."""
    for side in ("old", "new"):
        about = result[side]
        yield f"{side:8}{about['folder']}: {about['rows']} rows of {result['table']}"
    for sort in ("gained", "lost"):
        yield f"{sort:8}{len(result[sort])}"
        yield from _some([[f"    {row}"] for row in result[sort]], limit)
    yield f"changed {len(result['changed'])}, by more than {result['sigma']:g} sigma or 1e-9"
    rows = [[f"    {row['row']}", *_columns(row)] for row in result["changed"]]
    yield from _some(rows, limit)


def _some(groups: list[list[str]], limit: int) -> Iterator[str]:
    shown = groups[: limit or None]
    for group in shown:
        yield from group
    if len(shown) < len(groups):
        yield f"    and {len(groups) - len(shown)} more: --limit 0 shows all, --json too"


def _other(key: str, source: Mapping) -> str:
    return f", {key} {', '.join(source[key])}" if source[key] else ""


def _changed(source: Mapping) -> list[str]:
    return [f"    {source['source_id']}: {_why(source)}", *_columns(source)]


def _columns(changed: Mapping) -> list[str]:
    """Return a line for each column that changed."""
    rows = []
    for column in changed["columns"]:
        sides = [_value(column, side) for side in ("old", "new")]
        distance = column.get("sigma")
        tail = "" if distance is None else f"  ({distance:.1f} sigma)"
        rows.append(f"        {column['column']}: {' -> '.join(sides)}{tail}")
    return rows


def _value(column: Mapping, side: str) -> str:
    value = column[side]
    if value is None or value == "":
        return "none"
    if f"{side}_err" not in column:
        return f"{value:.12g}" if isinstance(value, float) else str(value)
    lo, hi = ("?" if error is None else f"{error:.2g}" for error in column[f"{side}_err"])
    return f"{value:.5g} -{lo} +{hi}"


def _why(source: Mapping) -> str:
    """Say the causes, with the first file of each sort."""
    named = [
        f"{names[0]} {'is new' if sort == 'new' else sort}"
        + (f" and {len(names) - 1} more" if len(names) > 1 else "")
        for sort, names in source["files"].items()
    ]
    causes = [f"input ({', '.join(named)})" if c == "input" else c for c in source["why"]]
    return "why: " + ", ".join(causes)
