"""The page: what it holds itself, and the HTML around it."""

import html
from collections import Counter
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import pyarrow as pa

from pipeline.columns.catalogue import REJECTED, SOURCES
from pipeline.report.data import DataFiles, script_json
from pipeline.report.embed import records
from pipeline.report.evidence import SIGNIFICANT_Q, qpo_sentence
from pipeline.status import HAS_RESULT, Flag, Status
from pipeline.tables import rows_of

MAX_REJECTED = 5000
"""Rejected files that the page lists."""
_SCRIPTS = (
    *("plot.js", "numbers.js", "histogram.js", "spectrum.js", "store.js", "survey.js"),
    *("inspector.js", "sources.js", "truth.js", "page.js"),
)


def overview(sources: pa.Table, provenance: Mapping) -> dict[str, Any]:
    """Return what the page says of the whole survey.

    Parameters
    ----------
    sources : pyarrow.Table
        ``status``, ``qpo_frequency`` and ``qpo_q_value`` of SOURCES.
    provenance : mapping
        The catalogue's ``provenance.json``.
    """
    counts = Counter(
        {
            entry["values"]: entry["counts"]
            for entry in sources.column("status").value_counts().to_pylist()
        }
    )
    return {
        "finished": provenance["finished"],
        "version": provenance["pipeline"]["version"],
        "archive": provenance["configuration"]["archive"],
        "n_files": provenance["inputs"]["files"],
        "statuses": [
            {
                "status": status.value,
                "sentence": status.sentence,
                "result": status in HAS_RESULT,
                "count": counts[status.value],
            }
            for status in sorted(Status, key=lambda s: s not in HAS_RESULT)
            if counts[status.value]
        ],
        "flags": [
            {"bit": flag.value, "name": flag.name, "sentence": flag.sentence} for flag in Flag
        ],
        "columns": {
            c.name: {"unit": c.unit, "description": c.description} for c in SOURCES.columns
        },
        "n_sources": sources.num_rows,
        "qpos": qpo_sentence(
            sources.column("qpo_frequency").to_numpy(),
            sources.column("qpo_q_value").to_numpy(),
            provenance["configuration"].get("catalog", {}).get("qpo_min_q", 2.0),
        ),
        "significant_q": SIGNIFICANT_Q,
    }


def write_rejected(data: DataFiles, rejected: pa.Table, number: int) -> dict[str, Any]:
    """Write the first rejected files, and return what the page has to know of them.

    Parameters
    ----------
    data : DataFiles
        Takes the piece ``rejected``.
    rejected : pyarrow.Table
        First rows of REJECTED.
    number : int
        Number of all.
    """
    if number:
        data.put("rejected", records(rows_of(rejected.slice(0, MAX_REJECTED)), REJECTED.names))
    return {"n_rejected": number}


def render(
    title: str, data: Mapping, links: Mapping[str, str], pieces: Mapping[str, str] | None = None
) -> str:
    """Return the page.

    Parameters
    ----------
    title : str
        Of the page.
    data : mapping
        What the page always needs.
    links : mapping of str to str
        Name to relative address of the catalogue's files.
    pieces : mapping of str to str, optional
        Pieces of data that the page holds itself, as JSON by name.
    """
    package = files("pipeline.report")
    scripts = "\n".join(package.joinpath(name).read_text(encoding="utf-8") for name in _SCRIPTS)
    anchors = "".join(
        f'<li><a href="{html.escape(address)}">{html.escape(name)}</a></li>'
        for name, address in links.items()
    )
    parts = {
        "title": html.escape(title),
        "links": anchors,
        "style": package.joinpath("page.css").read_text(encoding="utf-8"),
        "script": scripts,
        "data": script_json(data),
        "pieces": "\n".join(
            f'<script type="application/json" id="piece-{name}">{text}</script>'
            for name, text in (pieces or {}).items()
        ),
    }
    before, *rest = package.joinpath("page.html").read_text(encoding="utf-8").split("{{")
    filled = [parts[name] + text for name, text in (piece.split("}}", 1) for piece in rest)]
    return before + "".join(filled)
