"""Where a catalogue comes from: code, libraries, configuration and inputs."""

import hashlib
import platform
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

import pipeline
from pipeline.closure import code_version
from pipeline.config.survey import NOT_IN_CATALOGUE, Survey

_DISTRIBUTION = "spectral-timing-pipeline"


def provenance(
    survey: Survey,
    files: pa.Table,
    source_statuses: Iterable[str],
    rows: Mapping[str, int],
    formats: Mapping[str, Mapping[str, Any]],
    started: str,
    finished: str,
) -> dict:
    """Return what `provenance.json` holds.

    Parameters
    ----------
    survey : Survey
        The whole configuration.
    files : pyarrow.Table
        Rows of OBSERVATIONS.
    source_statuses : iterable of str
        Status of every source.
    rows : mapping of str to int
        Rows of each table.
    formats : mapping of str to mapping
        The file, label and numbers of rows of each format, by its name: see `pipeline.catalog.driver.publish`.
    started, finished : str
        Times of the merge, ISO 8601.
    """
    return {
        "pipeline": {
            "version": pipeline.__version__,
            "code_version": code_version("ingest", "segment", "fit", "catalog"),
            "requirements_lock_sha256": lock_digest(Path(pipeline.__file__).parents[2]),
        },
        "versions": versions(),
        "configuration": survey.model_dump(mode="json", exclude=NOT_IN_CATALOGUE),
        "inputs": {
            "files": files.num_rows,
            "bytes": pc.sum(files.column("size")).as_py() or 0,
            "sha256": inputs_digest(files),
            "counts_by_status": _counts(files.column("status").to_pylist()),
        },
        "rows": dict(rows),
        "formats": dict(formats),
        "counts_by_status": _counts(source_statuses),
        "started": started,
        "finished": finished,
    }


def versions() -> dict[str, str]:
    """Return the versions of Python and of every library the pipeline requires, by name."""
    try:
        lines = [r for r in requires(_DISTRIBUTION) or () if "extra ==" not in r]
    except PackageNotFoundError:
        lines = []
    names = sorted({name.lower() for line in lines for name in re.findall(r"^[\w.-]+", line)})
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def lock_digest(folder: Path) -> str:
    """Return the SHA-256 of the lock of all libraries, empty for an installation without one."""
    lock = folder / "requirements.lock"
    return hashlib.sha256(lock.read_bytes()).hexdigest() if lock.is_file() else ""


def inputs_digest(files: pa.Table) -> str:
    """Return one SHA-256 over all files: of the lines ``sha256  file``, sorted by file.

    A file that was not read to its end stands there with its version.
    """
    columns = (files.column(name).to_pylist() for name in ("file", "sha256", "version"))
    lines = sorted(
        (name, sha256 or version) for name, sha256, version in zip(*columns, strict=True)
    )
    text = "".join(f"{digest}  {name}\n" for name, digest in lines)
    return hashlib.sha256(text.encode()).hexdigest()


def _counts(statuses: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(statuses).items()))
