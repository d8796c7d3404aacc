"""Where a catalogue comes from: code, libraries, configuration and inputs."""

import hashlib
import platform
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import pipeline
from pipeline.closure import code_version
from pipeline.config.survey import NOT_IN_CATALOGUE, Survey

_DISTRIBUTION = "spectral-timing-pipeline"


def provenance(
    survey: Survey,
    files: Sequence[Mapping],
    source_statuses: Iterable[str],
    rows: Mapping[str, int],
    started: str,
    finished: str,
) -> dict:
    """Return what `provenance.json` holds.

    Parameters
    ----------
    survey : Survey
        The whole configuration.
    files : sequence of mapping
        Rows of OBSERVATIONS with ``file``, ``size``, ``version``, ``sha256`` and ``status``.
    source_statuses : iterable of str
        Status of every source.
    rows : mapping of str to int
        Rows of each table.
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
            "files": len(files),
            "bytes": sum(f["size"] for f in files),
            "sha256": inputs_digest(files),
            "counts_by_status": _counts(f["status"] for f in files),
        },
        "rows": dict(rows),
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
    names = sorted({re.match(r"[\w.-]+", line)[0].lower() for line in lines})
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def lock_digest(folder: Path) -> str:
    """Return the SHA-256 of the lock of all libraries, empty for an installation without one."""
    lock = folder / "requirements.lock"
    return hashlib.sha256(lock.read_bytes()).hexdigest() if lock.is_file() else ""


def inputs_digest(files: Iterable[Mapping]) -> str:
    """Return one SHA-256 over all files: of the lines ``sha256  file``, sorted by file.

    A file that was not read to its end stands there with its version.
    """
    lines = sorted((f["file"], f["sha256"] or f["version"]) for f in files)
    text = "".join(f"{digest}  {name}\n" for name, digest in lines)
    return hashlib.sha256(text.encode()).hexdigest()


def _counts(statuses: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(statuses).items()))
