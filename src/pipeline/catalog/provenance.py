"""Where a catalogue comes from: code, libraries, configuration and inputs."""

import hashlib
import platform
import re
from collections import Counter
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

import pipeline
from pipeline.catalog.formats.rows import Rows
from pipeline.closure import code_version
from pipeline.config.survey import NOT_IN_CATALOGUE, Survey

_DISTRIBUTION = "spectral-timing-pipeline"


def provenance(
    survey: Survey,
    files: Rows,
    source_statuses: Mapping[str, int],
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
    files : Rows
        Rows of OBSERVATIONS, sorted by file.
    source_statuses : mapping of str to int
        Number of sources by status.
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
        "inputs": inputs(files),
        "rows": dict(rows),
        "formats": dict(formats),
        "counts_by_status": dict(sorted(source_statuses.items())),
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


def inputs(files: Rows) -> dict[str, Any]:
    """Return how many files there are, their bytes, numbers by status, and one SHA-256 over all of them.

    That is of the lines ``sha256  file``, sorted by file. A file that was not read to its end stands there with
    its version.
    """
    digest, size, counts = hashlib.sha256(), 0, Counter[str]()
    names = ("file", "sha256", "version", "size", "status")
    for block in files.blocks(names):
        columns = (block.column(name).to_pylist() for name in names[:3])
        lines = (
            f"{sha256 or version}  {name}\n" for name, sha256, version in zip(*columns, strict=True)
        )
        digest.update("".join(lines).encode())
        size += pc.sum(block.column("size")).as_py()
        counts.update(block.column("status").to_pylist())
    return {
        "files": files.count,
        "bytes": size,
        "sha256": digest.hexdigest(),
        "counts_by_status": dict(sorted(counts.items())),
    }
