"""Every option of a survey, declared once.

`workflow/schemas/config.schema.yaml` and `config/README.md` are generated from these classes
(``python -m pipeline config --write``); a test holds them in step. A wrong configuration is a
`ConfigError`: one line that names the key and says what is allowed.
"""

import difflib
import hashlib
import json
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from pipeline.models import COMPONENTS

PRIORS = {
    "uniform": 2,
    "loguniform": 2,
    "normal": 2,
    "lognormal": 2,
    "truncated_normal": 4,
    "gamma": 2,
    "beta": 2,
    "half_normal": 1,
    "exponential": 1,
}
"""Priors that the configuration may name, with their number of arguments."""


class ConfigError(ValueError):
    """The configuration is wrong; the message is one line for the user."""


class Options(BaseModel):
    """Base of every section: unknown keys are errors, values are not changed after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]


class SourceOptions(Options):
    """What one source is."""

    group_by: Literal["observation", "object"] = Field(
        "observation",
        description="`observation`: a source an observation. `object`: observations of the same "
        "OBJECT, spelling normalised, are one source and are averaged.",
    )


class ClusterOptions(Options):
    """The Dask cluster that ingest and segment work on."""

    address: str | None = Field(
        None, description="Address of a running Dask scheduler; null: a LocalCluster a job."
    )
    workers: int = Field(
        0, ge=0, description="Worker processes of a LocalCluster; 0: one a core of the job."
    )
    memory_limit: str = Field("4GiB", description="Memory at which a worker is stopped.")
    chunk_size: Count = Field(64, description="Items a task.")
    item_timeout: Positive = Field(
        600.0, description="Seconds after which an item that does not end is given up."
    )


class IngestOptions(Options):
    """How files are read."""

    band: tuple[Positive, Positive] | None = Field(
        None, description="Energies of events to keep, keV: [lo, hi]; null: all."
    )
    spectrum_norm: Literal["leahy", "frac", "abs"] = Field(
        "leahy", description="Normalisation of power-spectrum files, which do not say it."
    )
    spectrum_noise: float | None = Field(
        2.0,
        ge=0,
        description="Noise level that was subtracted from power-spectrum files and is added back; "
        "null: unknown, and the fit is Gaussian.",
    )
    min_fracexp: Fraction = Field(
        0.5, description="Light-curve bins with a smaller exposed fraction are gaps."
    )
    max_decompressed: Count = Field(
        8_000_000_000, description="Bytes a compressed file may grow to before it is refused."
    )

    @field_validator("band")
    @classmethod
    def _ordered(cls, band):
        if band is not None and band[0] >= band[1]:
            raise ValueError("must be [lo, hi] with lo < hi")
        return band


class SegmentOptions(Options):
    """How light curves become averaged power spectra."""

    segment_size: Positive | Literal["auto"] = Field(
        "auto",
        description="Length of a segment, s. `auto`: the largest power of two of bins, at most "
        "`max_bins`, of which `min_segments` fit into the good time intervals.",
    )
    dt: Positive = Field(
        1 / 256, description="Time resolution for events, s; light curves keep their own."
    )
    min_bins: int = Field(64, ge=8, description="Fewest bins in a segment under `auto`.")
    max_bins: int = Field(16384, ge=8, description="Most bins in a segment under `auto`.")
    min_segments: Count = Field(8, description="Segments to aim at under `auto`.")
    max_gap: int = Field(
        2, ge=0, description="Gaps of at most so many bins are filled by linear interpolation."
    )
    norm: Literal["frac", "leahy", "abs"] = Field(
        "frac", description="Normalisation of the power spectra."
    )
    rebin: float = Field(
        0.02,
        ge=0,
        lt=1,
        description="Logarithmic rebinning: width of a bin over its frequency; 0: none.",
    )
    frequency_range: tuple[float, float] | None = Field(
        None, description="Frequencies to keep, Hz: [lo, hi]; null: all."
    )

    @model_validator(mode="after")
    def _bins(self):
        if self.min_bins > self.max_bins:
            raise ValueError("min_bins must not be larger than max_bins")
        return self


class ParameterOptions(Options):
    """What a model says of one parameter of a component."""

    bounds: tuple[float, float] | None = Field(None, description="[lo, hi]; null: the default.")
    prior: dict[str, list[float] | float] | None = Field(
        None, description="Prior by name, e.g. {loguniform: [0.1, 10]}; null: flat in the bounds."
    )
    start: float | None = Field(
        None, description="First starting value; null: found from the data."
    )
    fixed: float | None = Field(None, description="Value to hold it at; null: free.")

    @field_validator("bounds")
    @classmethod
    def _ordered(cls, bounds):
        if bounds is not None and not bounds[0] < bounds[1]:
            raise ValueError("must be [lo, hi] with lo < hi")
        return bounds

    @field_validator("prior")
    @classmethod
    def _known(cls, prior):
        if prior is None:
            return None
        if len(prior) != 1:
            raise ValueError("must be one prior, {name: [arguments]}")
        ((name, arguments),) = prior.items()
        if name not in PRIORS:
            raise ValueError(f"{name!r} is not a prior; allowed: {', '.join(sorted(PRIORS))}")
        arguments = arguments if isinstance(arguments, list) else [arguments]
        if len(arguments) != PRIORS[name]:
            raise ValueError(f"{name} takes {PRIORS[name]} arguments, not {len(arguments)}")
        if name in ("uniform", "loguniform") and not arguments[0] < arguments[1]:
            raise ValueError(f"{name} needs [lo, hi] with lo < hi")
        return {name: [float(a) for a in arguments]}


class ComponentOptions(Options):
    """A component of a model, and what the model says of its parameters."""

    name: str = Field(description="Name of the component.")
    up_to: Count = Field(
        1,
        description="Most copies of it. Above 1, copies are added one by one while the BIC falls.",
    )
    parameters: dict[str, ParameterOptions] = Field(
        default_factory=dict, description="Bounds, priors, starting and fixed values."
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value):
        """Accept ``lorentzian`` and ``lorentzian: {up_to: 6, fwhm: {bounds: [1, 2]}}``."""
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, dict) and "name" not in value:
            if len(value) != 1:
                raise ValueError("a component is a name, or one {name: {…}}")
            ((name, inside),) = value.items()
            inside = dict(inside or {})
            up_to = inside.pop("up_to", 1)
            return {"name": name, "up_to": up_to, "parameters": inside}
        return value

    @model_validator(mode="after")
    def _known(self):
        if self.name not in COMPONENTS:
            raise ValueError(
                f"{self.name!r} is not a component; allowed: {', '.join(sorted(COMPONENTS))}"
            )
        known = {p.name: p for p in COMPONENTS[self.name].parameters}
        for key, options in self.parameters.items():
            if key not in known:
                raise ValueError(
                    f"{key!r} is not a parameter of {self.name}; allowed: {', '.join(known)}"
                )
            lo = options.bounds[0] if options.bounds else known[key].bounds[0]
            hi = options.bounds[1] if options.bounds else known[key].bounds[1]
            if known[key].scale == "log" and lo <= 0:
                raise ValueError(f"bounds of {self.name}.{key} must be positive")
            for what in ("start", "fixed"):
                number = getattr(options, what)
                if number is not None and not lo <= number <= hi:
                    raise ValueError(
                        f"{what} of {self.name}.{key} must lie within its bounds [{lo:g}, {hi:g}]"
                    )
        return self


class FitOptions(Options):
    """Models and how they are fitted."""

    models: dict[str, list[ComponentOptions]] = Field(
        default_factory=lambda: {
            "noise": ["constant"],
            "power_law": ["constant", "power_law"],
            "power_law_qpo": ["constant", "power_law", "lorentzian"],
        },
        validate_default=True,
        description="Models by name, each a list of components. The one with the lowest BIC is "
        "chosen for each product.",
    )
    frequency_range: tuple[float, float] | None = Field(
        None, description="Frequencies to fit, Hz: [lo, hi]; null: all."
    )
    min_delta_bic: float = Field(
        0.0,
        ge=0,
        description="By how much the BIC must fall for a larger model, or one more copy of a "
        "component, to be chosen.",
    )
    precision: Literal["float64", "float32"] = Field("float64", description="Floating-point type.")
    batch_size: Count = Field(4096, description="Spectra on the device at a time.")
    block_size: Count = Field(64, description="Spectra that iterate together.")
    max_iterations: Count = Field(200, description="Iterations of a fit.")
    tolerance: Positive = Field(
        1e-6, description="A fit has converged when a step promises a smaller change of -2 ln L."
    )
    starts: Count = Field(
        4, description="Starting points tried for each added peak, found from the residuals."
    )
    errors: Literal["observed", "fisher", "sandwich"] = Field(
        "observed",
        description="Covariance behind the errors: inverse of the observed or of the expected (Fisher) "
        "information; `sandwich`: holds also where n or the distribution of the power is wrong.",
    )
    profile: Literal["weak", "all", "none"] = Field(
        "weak",
        description="Errors from the profile of the likelihood, and upper limits: `weak`: for components "
        "less than two sigma from zero or at a bound; `all`: for every component; `none`.",
    )
    levels: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        default_factory=list,
        description="Further levels, beside 68.3 %, at which profiled parameters get an interval: "
        "[0.9, 0.9545].",
    )
    upper_limit: float = Field(
        0.95, gt=0.5, lt=1, description="Confidence of the upper limits of weak components."
    )
    platform: Literal["auto", "cpu", "gpu"] = Field(
        "auto", description="`auto`: a GPU where there is one, else the CPU."
    )
    compilation_cache: str | None = Field(
        None,
        description="Folder of JAX's compilation cache, local to the node; null: one under the "
        "system's temporary folder.",
    )
    threads: int = Field(0, ge=0, description="Cores of a fit job; 0: all that the workflow has.")

    @field_validator("models")
    @classmethod
    def _not_empty(cls, models):
        if not models:
            raise ValueError("must name at least one model")
        for name, components in models.items():
            if not components:
                raise ValueError(f"model {name!r} has no component")
        return models


class CatalogOptions(Options):
    """The published catalogue and its quality gate."""

    max_failed_fraction: Fraction = Field(
        0.5, description="The merge fails if a larger fraction of the sources has no result."
    )
    qpo_min_q: Positive = Field(2.0, description="Least Q of a Lorentzian that is called a QPO.")
    qpo_frequency_range: tuple[float, float] | None = Field(
        None, description="Frequencies a QPO may have, Hz: [lo, hi]; null: all."
    )


class ReportOptions(Options):
    """The report's page."""

    title: str = Field("Spectral-timing survey", description="Title of the page.")
    max_spectra: int = Field(
        2000,
        ge=0,
        description="Power spectra kept in the page; sources beyond are in the table only.",
    )
    truth: str | None = Field(
        None,
        description="Table of injected values (Parquet, from `pipeline simulate`) to compare with.",
    )


class SimulateOptions(Options):
    """The simulated archive of the default survey."""

    enabled: bool = Field(
        False, description="Whether the archive is to be simulated where it does not exist."
    )
    seed: int = Field(20260101, ge=0, description="Seed of everything in it.")
    n_sources: Count = Field(60, description="Sources with usable data.")
    n_damaged: int = Field(5, ge=0, description="Files damaged on purpose.")


class Survey(Options):
    """A survey: where the archive is, and an option section a stage."""

    archive: str = Field(description="Folder to search for files.")
    shards: int = Field(
        4, ge=1, le=9999, description="Parts that sources are spread over by a hash of their name."
    )
    source: SourceOptions = Field(default_factory=SourceOptions, description="What one source is.")
    cluster: ClusterOptions = Field(default_factory=ClusterOptions, description="The Dask cluster.")
    ingest: IngestOptions = Field(default_factory=IngestOptions, description="Reading files.")
    segment: SegmentOptions = Field(default_factory=SegmentOptions, description="Power spectra.")
    fit: FitOptions = Field(default_factory=FitOptions, description="Models and fits.")
    catalog: CatalogOptions = Field(default_factory=CatalogOptions, description="The catalogue.")
    report: ReportOptions = Field(default_factory=ReportOptions, description="The report.")
    simulate: SimulateOptions = Field(
        default_factory=SimulateOptions, description="The simulated archive."
    )


SECTIONS = {
    "source": SourceOptions,
    "cluster": ClusterOptions,
    "ingest": IngestOptions,
    "segment": SegmentOptions,
    "fit": FitOptions,
    "catalog": CatalogOptions,
    "report": ReportOptions,
    "simulate": SimulateOptions,
}


def load(path, overrides: dict[str, Any] | None = None) -> Survey:
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
    return validate({**values, **(overrides or {})})


def validate(values: dict, section: type[Options] = Survey):
    """Turn a dictionary into a `Survey` or one of its sections, or raise a one-line `ConfigError`."""
    try:
        return section.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_one_line(error, section)) from error


def section_json(options: Options) -> str:
    """Return a section as JSON with sorted keys: what a rule hands to its stage and is re-run by."""
    return json.dumps(options.model_dump(mode="json"), sort_keys=True)


def cluster_json(survey: Survey, threads: int) -> str:
    """Return the section `cluster` as JSON, with a worker a thread of the job unless it says how many."""
    workers = survey.cluster.workers or threads
    return section_json(survey.cluster.model_copy(update={"workers": workers}))


def survey_json(survey: Survey) -> str:
    """Return as JSON what a catalogue is made by: a survey without its cluster and its report."""
    values = survey.model_dump(mode="json", exclude={"cluster", "report"})
    return json.dumps(values, sort_keys=True)


def check_paths(survey: Survey) -> None:
    """Raise ConfigError where a path in the configuration does not exist."""
    if not survey.simulate.enabled and not os.path.isdir(survey.archive):
        raise ConfigError(
            f"archive: {survey.archive!r} is not a folder; allowed: an existing folder"
        )
    if (
        survey.report.truth
        and not survey.simulate.enabled
        and not os.path.isfile(survey.report.truth)
    ):
        raise ConfigError(f"report.truth: {survey.report.truth!r} is not a file")


def resolve(survey: Survey, results="results") -> Survey:
    """Make the paths of a survey absolute, and find the truth that lies beside a simulated archive.

    Parameters
    ----------
    survey : Survey
        As configured; relative paths are relative to the current folder.
    results : path-like, optional
        Folder of the results, which must not lie inside the archive.

    Raises
    ------
    ConfigError
        When the results would be taken for files of the archive.
    """
    archive = Path(survey.archive).expanduser().resolve()
    if Path(results).resolve().is_relative_to(archive):
        raise ConfigError(
            f"archive: {survey.archive!r} holds the folder of the results; allowed: another folder"
        )
    truth = survey.report.truth or archive.with_name(f"{archive.name}-truth.parquet")
    truth = Path(truth).expanduser().resolve()
    known = survey.report.truth is not None or truth.is_file()
    report = survey.report.model_copy(update={"truth": str(truth) if known else None})
    return survey.model_copy(update={"archive": str(archive), "report": report})


def archive_fingerprint(archive) -> str:
    """Return a hash of the path, size and time of change of every file, by which a survey is re-planned.

    Parameters
    ----------
    archive : path-like
        Folder; links to folders are not followed. No file is opened.

    Raises
    ------
    ConfigError
        When the folder cannot be read.
    """
    files, folders = [], [os.fspath(archive)]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:
                        about = entry.stat(follow_symlinks=not _is_broken(entry))
                        path = os.path.relpath(entry.path, archive)
                        files.append(f"{path}\0{about.st_size}\0{about.st_mtime_ns}")
        except OSError as error:
            raise ConfigError(f"archive: {error.filename!r}: {error.strerror}") from error
    return hashlib.sha256("\n".join(sorted(files)).encode(errors="surrogateescape")).hexdigest()


def _is_broken(entry: os.DirEntry) -> bool:
    """Return whether a directory entry is a link to nothing."""
    return entry.is_symlink() and not os.path.exists(entry.path)


def code_version(*parts: str) -> str:
    """Return a hash of the source code of subpackages or modules, by which their rules re-run.

    Parameters
    ----------
    *parts : str
        Names under ``pipeline``: ``"fit"``, ``"columns"``.
    """
    root = Path(__file__).parent
    digest = hashlib.sha256()
    for part in parts:
        folder = root / part
        files = sorted(folder.rglob("*.*")) if folder.is_dir() else [root / f"{part}.py"]
        for file in files:
            if file.suffix != ".pyc":
                digest.update(file.relative_to(root).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def _one_line(error: ValidationError, section: type[Options]) -> str:
    """Say the first thing that is wrong: its key, what was found, what is allowed.

    A misspelt key comes before the one that is then missing.
    """
    errors = error.errors()
    first = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
    location = [str(part) for part in first["loc"]]
    key = ".".join(location) or "configuration"
    kind, found = first["type"], first.get("input")
    if kind == "extra_forbidden":
        allowed = sorted(_keys_at(section, first["loc"][:-1]))
        close = difflib.get_close_matches(location[-1], allowed, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        return f"{key}: unknown key{hint} Allowed: {', '.join(allowed)}"
    message = first["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    if kind == "missing":
        return f"{key}: this key is required"
    if kind == "value_error":
        return f"{key}: {message}"
    shown = "…" if isinstance(found, (dict, list)) and len(str(found)) > 60 else repr(found)
    return f"{key}: {message} (found {shown})"


def _keys_at(section: type[Options], location) -> set[str]:
    """Return the keys that are allowed at a place in a section."""
    current = section
    for part in location:
        field = getattr(current, "model_fields", {}).get(part)
        if field is None:
            return set(ParameterOptions.model_fields) if "parameters" in location else set()
        current = field.annotation
    return set(getattr(current, "model_fields", {}))


def shard_of(source_id: str, shards: int) -> int:
    """Return the shard of a source: a hash of its name, the same on every machine."""
    return int.from_bytes(hashlib.sha256(source_id.encode()).digest()[:8], "big") % shards


def shard_name(index: int) -> str:
    """Return the name of a shard in file names: ``shard-0003``."""
    return f"shard-{index:04d}"
