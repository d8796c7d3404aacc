"""Every option of a survey: a section a stage, each declared in a module of its own.

`workflow/schemas/config.schema.yaml` and `config/README.md` are generated from these classes
(``python -m pipeline config --write``); a test holds them in step. A wrong configuration is a
`ConfigError`: one line that names the key and says what is allowed.
"""

import os
from pathlib import Path
from typing import Any, overload

import yaml
from pydantic import Field, field_validator

from pipeline.components import search_in
from pipeline.config.archive import RemoteOptions, SourceOptions, is_remote, without_secret
from pipeline.config.base import ConfigError, Options
from pipeline.config.catalog import CatalogOptions
from pipeline.config.cluster import ClusterOptions
from pipeline.config.fit import FitOptions
from pipeline.config.ingest import IngestOptions
from pipeline.config.report import ReportOptions
from pipeline.config.segment import SegmentOptions
from pipeline.config.simulate import SimulateOptions
from pipeline.config.validation import Section, validate_section


class Survey(Options):
    """A survey: where the archive is, and an option section a stage."""

    archive: str = Field(
        description="Folder that is searched for files; or their server: the address of an http(s):// page "
        "with links to them, or s3://bucket/prefix."
    )
    shards: int = Field(
        4,
        ge=1,
        le=9999,
        description="Number of parts that sources are spread over, by a hash of their name.",
    )
    source: SourceOptions = Field(default_factory=SourceOptions, description="What one source is.")
    cluster: ClusterOptions = Field(default_factory=ClusterOptions, description="The Dask cluster.")
    remote: RemoteOptions = Field(
        default_factory=RemoteOptions, description="An archive on a server."
    )
    ingest: IngestOptions = Field(default_factory=IngestOptions, description="How files are read.")
    segment: SegmentOptions = Field(
        default_factory=SegmentOptions,
        description="How light curves become power spectra and other products.",
    )
    fit: FitOptions = Field(
        default_factory=FitOptions, description="Models, and how they are fitted."
    )
    catalog: CatalogOptions = Field(
        default_factory=CatalogOptions, description="The published catalogue."
    )
    report: ReportOptions = Field(
        default_factory=ReportOptions, description="The page of the report."
    )
    simulate: SimulateOptions = Field(
        default_factory=SimulateOptions, description="The simulated archive."
    )

    @field_validator("archive")
    @classmethod
    def _folder_or_server(cls, archive: str) -> str:
        return without_secret(archive, ("http", "https", "s3")) if is_remote(archive) else archive


NOT_IN_CATALOGUE = {"cluster", "remote", "report"}
"""Sections that change nothing in a catalogue."""

SECTIONS: dict[str, type[Options]] = {
    name: field.annotation
    for name, field in Survey.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Options)
}
"""The sections of a survey, by their keys."""


def load(path: str | os.PathLike[str], overrides: dict[str, Any] | None = None) -> Survey:
    """Read and validate a configuration file.

    Parameters
    ----------
    path : path-like
        YAML file.
    overrides : dict, optional
        Top-level keys that replace those of the file (``archive``).

    Raises
    ------
    ConfigError
        When the file is not there, is not YAML, or says something that is not allowed.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: must be a mapping of keys to values")
    folder = Path(path).resolve().parent
    search_in(folder)
    survey = validate({**values, **(overrides or {})})
    if survey.fit.user_components and survey.fit.components_folder is None:
        fit = survey.fit.model_copy(update={"components_folder": str(folder)})
        survey = survey.model_copy(update={"fit": fit})  # the stages read it from their own folder
    return survey


@overload
def validate(values: dict) -> Survey: ...


@overload
def validate(values: dict, section: type[Section]) -> Section: ...


def validate(values: dict, section: type[Options] = Survey) -> Options:
    """Turn a dictionary into a `Survey` or one of its sections, or raise a one-line `ConfigError`."""
    return validate_section(values, section)
