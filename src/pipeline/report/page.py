"""The page: its data as one JSON object, and the HTML around them."""

import html
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from importlib.resources import files

import pyarrow as pa

from pipeline.columns.catalogue import REJECTED, SOURCES
from pipeline.report.embed import Grids, columns, compact, records, spectrum
from pipeline.report.evidence import SIGNIFICANT_Q, qpo_sentence
from pipeline.report.truth import compare, false_qpos, summary
from pipeline.status import HAS_RESULT, Flag, Status

_PARAMETER = (
    *("component", "parameter", "value", "err_lo", "err_hi", "unit", "free", "at_bound"),
    *("derived", "open_lo", "open_hi", "upper_limit", "lower_limit"),
)
_MODEL = (
    "model",
    "best",
    "status",
    "reason",
    "n_free",
    "deviance",
    "aic",
    "bic",
    "delta_bic",
    "probability",
    "lrt_p_value",
    "t_sse_p_value",
    "outlier_frequency",
    "outlier_p_value",
    "lrt_method",
    "t_sse_method",
    "outlier_method",
)
_FILE = ("file", "observation_id", "kind", "exposure", "status", "reason")
_TRUTH = ("object", "source_id", "quantity", "injected", "recovered", "err_lo", "err_hi", "pull")
_MAX_FILES = 50
_MAX_REJECTED = 5000
_SCRIPTS = ("plot.js", "numbers.js", "histogram.js", "spectrum.js", "sources.js", "page.js")


def page_data(
    sources: pa.Table,
    rejected: Sequence[Mapping],
    details: Sequence[Mapping | None],
    grids: Grids,
    provenance: Mapping,
) -> dict:
    """Return what the page shows, without the comparison with injected values.

    Parameters
    ----------
    sources : pyarrow.Table
        SOURCES.
    rejected : sequence of mapping
        Rows of REJECTED.
    details : sequence of mapping or None
        For each source what `source_details` returns, None for those that are in the table only.
    grids : Grids
        The frequency grids that `details` refers to.
    provenance : mapping
        The catalogue's ``provenance.json``.
    """
    counts = Counter(sources.column("status").to_pylist())
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
            sources.column("qpo_frequency").to_pylist(),
            sources.column("qpo_q_value").to_pylist(),
            provenance["configuration"].get("catalog", {}).get("qpo_min_q", 2.0),
        ),
        "significant_q": SIGNIFICANT_Q,
        "sources": columns(sources, SOURCES.names),
        "details": list(details),
        "n_details": sum(detail is not None for detail in details),
        "grids": grids.encoded,
        "n_rejected": len(rejected),
        "rejected": records(rejected[:_MAX_REJECTED], REJECTED.names),
    }


def source_details(
    shown: Mapping[str, str],
    files: Sequence[Mapping],
    models: Sequence[Mapping],
    parameters: Sequence[Mapping],
    curves: Mapping[str, Mapping],
    grids: Grids,
) -> dict[str, dict]:
    """Return what a click on a source shows, by source.

    Parameters
    ----------
    shown : mapping of str to str
        Product by source: those to return.
    files, models, parameters : sequence of mapping
        Rows of OBSERVATIONS, MODELS and PARAMETERS; of the last those of the chosen models.
    curves : mapping of str to mapping
        Row of CURVES by source.
    grids : Grids
        Takes the frequencies.
    """
    files_of: defaultdict[str, list[Mapping]] = defaultdict(list)
    models_of: defaultdict[str, list[Mapping]] = defaultdict(list)
    values_of: defaultdict[str, list[Mapping]] = defaultdict(list)
    for file in files:
        files_of[file["source_id"]].append(file)
    for groups, rows in ((models_of, models), (values_of, parameters)):
        for row in rows:
            if shown.get(row["source_id"]) == row["product"]:
                groups[row["source_id"]].append(row)
    return {
        source: {
            "files": records(files_of[source][:_MAX_FILES], _FILE),
            "n_files": len(files_of[source]),
            "models": records(models_of[source], _MODEL),
            "parameters": records(values_of[source], _PARAMETER),
            "spectrum": spectrum(curves[source], grids) if source in curves else None,
        }
        for source in shown
    }


def truth_data(sources: Sequence[Mapping], truth: Sequence[Mapping]) -> dict:
    """Return the comparison with injected values for the page."""
    rows = compare(sources, truth)
    return {
        "summary": [{k: compact(v) for k, v in row.items()} for row in summary(rows)],
        "points": records(rows, _TRUTH),
        "false_qpos": false_qpos(sources, truth),
    }


def render(title: str, data: Mapping, links: Mapping[str, str]) -> str:
    """Return the whole page, which needs no other file.

    Parameters
    ----------
    title : str
        Of the page.
    data : mapping
        What `page_data` returns, with ``truth`` where there is one.
    links : mapping of str to str
        Name to relative address of the catalogue's files.
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
    }
    before, *pieces = package.joinpath("page.html").read_text(encoding="utf-8").split("{{")
    filled = [parts[name] + rest for name, rest in (piece.split("}}", 1) for piece in pieces)]
    return before + "".join(filled)


def script_json(data: Mapping) -> str:
    """Return JSON that cannot end the script element it stands in, whatever a file was called."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
