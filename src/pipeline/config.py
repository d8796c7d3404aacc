"""Every option of a survey, declared once.

`workflow/schemas/config.schema.yaml` and `config/README.md` are generated from these classes
(``python -m pipeline config --write``); a test holds them in step. A wrong configuration is a
`ConfigError`: one line that names the key and says what is allowed.
"""

import difflib
import hashlib
import json
import math
import os
import sys
from collections.abc import Collection
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from pipeline.components import COMPONENTS, find, search_in
from pipeline.priors import POSITIVE_ARGUMENTS, PRIORS, scaled_prior
from pipeline.units import UNITS


class ConfigError(ValueError):
    """The configuration is wrong; the message is one line for the user."""


class Options(BaseModel):
    """Base of every section: unknown keys are errors, values are not changed after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]


class SourceOptions(Options):
    """What one source is."""

    group_by: Literal["observation", "object", "position"] = Field(
        "observation",
        description="`observation`: a source an observation. `object`: observations of the same "
        "OBJECT, spelling normalised, are one source and are averaged. `position`: those within "
        "`radius` of one another are, whatever their OBJECT; without a position, by OBJECT.",
    )
    radius: Positive = Field(
        10.0,
        description="Arcseconds within which positions are the same.",
    )
    same_position: Literal["flag", "error"] = Field(
        "flag",
        description="Under `object`, what two names within `radius` are: sources with the flag "
        "SAME_POSITION, or a mistake, for which the plan stops and names them.",
    )


class RemoteOptions(Options):
    """How an archive on a server is asked; credentials come from the environment only."""

    connections: Count = Field(8, description="Requests at a time.")
    requests_per_second: Positive | None = Field(
        None, description="Most requests a second; null: no limit."
    )
    bytes_per_second: Positive | None = Field(
        None, description="Most bytes a second that are downloaded; null: no limit."
    )
    tries: Count = Field(
        6, description="Tries of a request, each after twice the pause, before a file is given up."
    )
    pause: Positive = Field(1.0, description="Seconds before the second try.")
    timeout: Positive = Field(
        60.0, description="Seconds without an answer after which a request is tried again."
    )
    credentials: Literal["none", "environment"] = Field(
        "none",
        description="Of an s3:// archive. `none`: anonymous. `environment`: AWS_ACCESS_KEY_ID and the "
        "like, AWS_PROFILE, or the role of the machine. http(s):// takes those in `.netrc`.",
    )
    endpoint: str | None = Field(
        None, description="Address of an S3 server that is not Amazon's; null: AWS_ENDPOINT_URL."
    )
    copies: str | None = Field(
        None,
        description="Folder of downloaded files, which surveys may share and every node must see; "
        "null: results/copies.",
    )

    @field_validator("endpoint")
    @classmethod
    def _no_secret(cls, endpoint):
        return endpoint if endpoint is None else _without_secret(endpoint, ("http", "https"))


def is_remote(archive) -> bool:
    """Return whether an archive is on a server, and not a folder."""
    return "://" in str(archive)


def _without_secret(url: str, schemes: tuple[str, ...]) -> str:
    """Return a URL without a slash at its end; raise ValueError where it may hold a secret."""
    parts = urlsplit(url)
    if parts.scheme not in schemes:
        allowed = ", ".join(f"{scheme}://" for scheme in schemes)
        raise ValueError(f"{parts.scheme}:// is not supported; allowed: {allowed}")
    if not parts.netloc:
        raise ValueError(f"{url!r} names no server")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError(
            "a URL is written to logs and catalogues, and must hold no user, password, query or "
            "fragment; credentials come from the environment"
        )
    return url.rstrip("/")


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


Role = Literal[
    "time",
    "rate",
    "counts",
    "error",
    "error_lo",
    "error_hi",
    "background",
    "fracexp",
    "exposure",
    "bin_width",
    "quality",
    "energy",
    "channel",
    "frequency",
    "frequency_lo",
    "frequency_hi",
    "power",
    "n",
    "noise",
    "object",
    "band",
    "ra",
    "dec",
]
TextFormat = Literal[
    *("aastex", "basic", "cds", "commented_header", "csv", "daophot", "ecsv", "fixed_width"),
    *("fixed_width_no_header", "fixed_width_two_line", "ipac", "latex", "mrt", "no_header"),
    *("rdb", "rst", "sextractor", "tab", "tdat", "votable"),
]
_NEEDED = {
    "lightcurve": ({"rate", "counts"}, "rate or counts"),
    "events": ({"time"}, "time"),
    "spectrum": ({"power"}, "power"),
}


class RowOptions(Options):
    """A condition on the rows of a table."""

    column: str | Count = Field(description="Column of the file, by its name or its number from 1.")
    op: Literal["==", "!=", "<", "<=", ">", ">=", "in", "not in", "bits clear"] = Field(
        "==",
        description="How its values are compared with `value`. `bits clear`: none of the bits of `value` is set.",
    )
    value: bool | int | float | str | list[int | float | str] = Field(
        description="What with; a list under `in` and `not in`. Words are compared as they stand, numbers as "
        "numbers; a number in quotation marks is a word."
    )

    @model_validator(mode="after")
    def _fits(self):
        several = isinstance(self.value, list)
        if several != (self.op in ("in", "not in")):
            raise ValueError(
                f"op {self.op!r} takes {'one value' if several else 'a list of values'}"
            )
        if self.op in ("<", "<=", ">", ">=") and not isinstance(self.value, (int, float)):
            raise ValueError(f"op {self.op!r} takes a number")
        if self.op == "bits clear" and (
            isinstance(self.value, bool) or not isinstance(self.value, int)
        ):
            raise ValueError("op 'bits clear' takes a whole number")
        return self


class TableOptions(Options):
    """How the columns of text files, or of FITS tables that do not say it, are read."""

    files: str = Field(
        description="Files inside the archive: `*` is any text without a slash, `**` any text."
    )
    kind: Literal["lightcurve", "events", "spectrum"] = Field(
        "lightcurve", description="What they hold."
    )
    columns: dict[Role, str | Count] = Field(
        description="What is in which column, by its name or its number from 1: {time: 1, rate: FLUX}. "
        "Without time, a light curve has a bin every TIMEDEL. `error_lo` and `error_hi` are the two sides "
        "of errors that have two. `object`: whose a row is; each object is a source. `band`: which band or "
        "filter it is of; each is a product. `ra`, `dec`: where the object is, deg."
    )
    keywords: dict[str, bool | int | float | str] = Field(
        default_factory=dict,
        description="FITS keywords that are added, or replace those of the file: {TELESCOP: Kepler, "
        "OBJECT: 'KIC {1}', TIMEUNIT: d, MJDREFI: 0, TIMEDEL: 0.02}. `{1}` is what the first wildcard "
        "of `files` stands for, `{stem}` the file's name without folders and extension, `{object}` the object "
        "of a column `object`.",
    )
    units: dict[Role, str] = Field(
        default_factory=dict,
        description="Units of columns that do not have one: {frequency: uHz, energy: eV}; an error may be "
        "in percent (of the rate) or a variance: {error: percent}.",
    )
    missing: list[float | str] = Field(
        default_factory=list,
        description="Numbers and words that stand for no value, beside those that are known: [-1, 88.8, "
        "saturated].",
    )
    good: list[bool | int | float | str] = Field(
        default_factory=list,
        description="Values of `quality` that are good; empty: 0, and words like good, G and OK.",
    )
    bad_bits: int = Field(
        0,
        ge=0,
        description="Bits of `quality` that make a row bad; 0: those of the mission, else any.",
    )
    scale: Literal["linear", "magnitude", "log10"] = Field(
        "linear",
        description="What a rate is; magnitudes and logarithms become fluxes, 1 at the median.",
    )
    factor: Positive = Field(
        1.0,
        description="What powers are multiplied by, e.g. 1e-6 for ppm^2/uHz under `norm: frac`.",
    )
    integrated: bool = Field(
        False,
        description="Whether powers, errors and noise are those of density times the width of the bin, "
        "as in the text for flx2xsp.",
    )
    norm: Literal["leahy", "frac", "abs"] | None = Field(
        None,
        description="Normalisation of a power spectrum; null: what its keywords or the unit of its "
        "powers say, else `ingest.spectrum_norm`.",
    )
    oversampling: float = Field(
        1.0,
        ge=1,
        description="Ordinates of a power spectrum in each independent frequency. Powers are raw "
        "ordinates unless there is a column `error` or `n`.",
    )
    average: Count = Field(
        1, description="Neighbouring raw powers that are averaged into a bin of a power spectrum."
    )
    rebin: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Logarithmic rebinning of raw powers: width of a bin over its frequency; 0: none. A bin "
        "holds `average` raw powers, and one independent frequency, at least.",
    )
    rows: list[RowOptions] = Field(
        default_factory=list,
        description="Rows to keep: those for which all conditions hold, [{column: catflags, op: '<', value: 1}].",
    )
    times: list[tuple[float, float]] = Field(
        default_factory=list,
        description="Times to keep, as they stand in the column `time`: [[lo, hi], …]; empty: all.",
    )
    frequencies: list[tuple[float, float]] = Field(
        default_factory=list,
        description="Frequencies of a power spectrum to keep, Hz: [[lo, hi], …]; empty: all.",
    )
    mask: list[tuple[float, float]] = Field(
        default_factory=list,
        description="Frequencies of a power spectrum to leave out, Hz, as of an instrumental line: a bin "
        "that reaches into one is dropped.",
    )
    format: TextFormat | None = Field(
        None,
        description="Format of a text by its name in `astropy.io.ascii`, or votable; null: columns "
        "between commas or blanks.",
    )
    delimiter: str | None = Field(
        None, description="Between the columns of text; null: commas if there are any, else blanks."
    )
    comment: str = Field("#", min_length=1, description="What a line of comment begins with.")
    skip: int = Field(0, ge=0, description="Lines of text to leave out at the start.")

    @model_validator(mode="after")
    def _has_what_it_needs(self):
        needed, words = _NEEDED[self.kind]
        if not needed & self.columns.keys():
            raise ValueError(f"columns of a {self.kind} need {words}")
        timed = "time" in self.columns or "TIMEDEL" in self.keywords
        if self.kind == "lightcurve" and not timed:
            raise ValueError("columns of a lightcurve need time, or keywords TIMEDEL")
        if self.kind == "spectrum" and not (
            "frequency" in self.columns or {"frequency_lo", "frequency_hi"} <= self.columns.keys()
        ):
            raise ValueError(
                "columns of a spectrum need frequency, or frequency_lo and frequency_hi"
            )
        if self.average > 1 and {"error", "n"} & self.columns.keys():
            raise ValueError("average is for raw powers, which have no column error or n")
        if self.rebin and {"error", "n"} & self.columns.keys():
            raise ValueError("rebin is for raw powers, which have no column error or n")
        if self.times and "time" not in self.columns:
            raise ValueError("times needs a column time")
        if {"object", "band"} & self.columns.keys() and self.kind == "spectrum":
            raise ValueError("object and band are columns of light curves and events")
        for name in ("times", "frequencies", "mask"):
            if any(not lo < hi for lo, hi in getattr(self, name)):
                raise ValueError(f"{name} must be [[lo, hi], …] with lo < hi")
        return self


class IngestOptions(Options):
    """How files are read."""

    tables: list[TableOptions] = Field(
        default_factory=list,
        description="Text files, and FITS tables in a form of their own; the first entry that a file "
        "fits is used.",
    )
    band: tuple[Positive, Positive] | None = Field(
        None, description="Energies of events to keep, keV: [lo, hi]; null: all."
    )
    bands: dict[str, tuple[Positive, Positive]] = Field(
        default_factory=dict,
        description="Energy bands of events by name, keV, each a product of its own: {soft: [0.3, 2], "
        "hard: [2, 10]}. In the place of `band`.",
    )
    spectrum_norm: Literal["leahy", "frac", "abs"] | None = Field(
        None,
        description="Normalisation of power-spectrum files that do not say it; null: `leahy`, with the "
        "flag NORM_DOUBTFUL.",
    )
    spectrum_noise: NotNegative | Literal["auto"] | None = Field(
        "auto",
        description="Noise level of power-spectrum files of the normalisation `spectrum_norm` that do not "
        "say it; where it was subtracted it is added back. `auto`: that of counts under `leahy`, else "
        "estimated for each from its powers and errors. null: unknown, and the fit is Gaussian.",
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

    @field_validator("bands")
    @classmethod
    def _all_ordered(cls, bands):
        for name, limits in bands.items():
            if not name or set(name) & set("/ #"):
                raise ValueError(f"{name!r} must be a name without blanks, slashes and #")
            if limits[0] >= limits[1]:
                raise ValueError(f"{name} must be [lo, hi] with lo < hi")
        return bands

    @model_validator(mode="after")
    def _one_or_several(self):
        if self.band is not None and self.bands:
            raise ValueError("band and bands exclude each other")
        return self


class SegmentOptions(Options):
    """How light curves become averaged power spectra."""

    segment_size: Positive | list[Positive] | Literal["auto", "whole", "several"] = Field(
        "auto",
        description="Length of a segment, s. `auto`: the longest, at most `max_bins`, of which "
        "`min_segments` fit into the good time intervals. `whole`: the longest good time interval. "
        "[16, 128, 1024]: a product for each length; `several`: one each for 1, `min_segments` and 8 times "
        "`min_segments` segments, under `auto`. `qpo_p_value` is that of all lengths together.",
    )
    dt: Positive = Field(
        1 / 256, description="Time resolution for events, s; light curves keep their own."
    )
    min_bins: int = Field(64, ge=8, description="Fewest bins in a segment under `auto`.")
    max_bins: int = Field(16384, ge=8, description="Most bins in a segment under `auto`.")
    min_segments: Count = Field(8, description="Segments to aim at under `auto`.")
    taper: Literal["auto", "none", "hann", "dpss"] = Field(
        "auto",
        description="Window that keeps the power of low frequencies from leaking into the others; it costs "
        "half of the ordinates, and those below 4 / `segment_size`. `auto`: `hann` where leakage is measured.",
    )
    detrend: Literal["auto", "constant", "linear", "quadratic"] = Field(
        "auto",
        description="What is subtracted from each segment: its mean, a line, a parabola. `auto`: `linear` "
        "where leakage is measured, else `constant`.",
    )
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
    mask: list[tuple[float, float]] = Field(
        default_factory=list,
        description="Frequencies to leave out, Hz, as of instrumental lines: [[lo, hi], …].",
    )
    max_frequencies: int = Field(
        8192,
        ge=64,
        description="Most frequency bins of a power spectrum, also of one that comes ready-made: in a longer "
        "one neighbours are averaged, more of them at higher frequencies, and outliers kept apart.",
    )
    pulsations: Fraction | None = Field(
        1e-3,
        description="Largest p-value of a strictly periodic signal, for which the events or bins at narrow "
        "peaks of the power spectrum are searched; null: they are not.",
    )
    epochs: bool = Field(
        True,
        description="Where observations of a source are averaged (`source.group_by`), whether each is also "
        "analysed by itself, for the table `EPOCHS`.",
    )

    @field_validator("mask")
    @classmethod
    def _ordered(cls, mask):
        if any(not lo < hi for lo, hi in mask):
            raise ValueError("must be [[lo, hi], …] with lo < hi")
        return mask

    @field_validator("segment_size")
    @classmethod
    def _some(cls, size):
        if isinstance(size, list) and (not size or len(set(size)) < len(size)):
            raise ValueError("a list must have at least one length, and none of them twice")
        return size

    @model_validator(mode="after")
    def _bins(self):
        if self.min_bins > self.max_bins:
            raise ValueError("min_bins must not be larger than max_bins")
        return self


class TieOptions(Options):
    """What a parameter is tied to."""

    to: str = Field(description="Name of the parameter: lorentzian.1.frequency.")
    factor: Positive = Field(1.0, description="How many times that parameter it is.")

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value):
        """Accept a name alone."""
        return {"to": value} if isinstance(value, str) else value


class ParameterOptions(Options):
    """What a model says of one parameter of a component."""

    bounds: tuple[float, float] | None = Field(None, description="[lo, hi]; null: the default.")
    prior: dict[str, list[float] | float] | None = Field(
        None,
        description="Prior by name, e.g. {loguniform: [0.1, 10]}, or that alone in the place of the "
        "options; null: flat in the bounds.",
    )
    start: float | None = Field(
        None, description="First starting value; null: found from the data."
    )
    fixed: float | None = Field(None, description="Value to hold it at; null: free.")
    tied: TieOptions | None = Field(
        None,
        description="Name of a parameter that it is equal to, or {to: NAME, factor: 2}; it has then "
        "no degree of freedom of its own. null: untied.",
    )
    scale: Literal["log", "linear"] | None = Field(
        None,
        description="Whether the fit works with its logarithm, in which intervals are then symmetric; "
        "null: the default.",
    )
    unit: str | None = Field(
        None,
        description="Unit of the numbers given for it, e.g. mHz; they are turned into its own when "
        "read. null: its own.",
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value):
        """Accept a prior in the place of the options, or beside them: ``{loguniform: [1, 2]}``."""
        if not isinstance(value, dict):
            return value
        priors = {name: value[name] for name in value if name in PRIORS}
        if not priors:
            return value
        if "prior" in value:
            raise ValueError(f"has two priors: `prior` and {', '.join(priors)}")
        return {name: v for name, v in value.items() if name not in priors} | {"prior": priors}

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
        _check_prior(name, arguments)
        return {name: [float(a) for a in arguments]}

    @field_validator("unit")
    @classmethod
    def _known_unit(cls, unit):
        if unit is not None and unit not in UNITS:
            raise ValueError(f"{unit!r} is not a unit; allowed: {', '.join(UNITS)}")
        return unit

    @model_validator(mode="after")
    def _tied_has_nothing_else(self):
        others = [
            name for name in self.model_fields_set - {"tied"} if getattr(self, name) is not None
        ]
        if self.tied is not None and others:
            raise ValueError(f"a tied parameter takes no {', '.join(sorted(others))}")
        return self

    def in_unit(self, own: str) -> "ParameterOptions":
        """Return the same with all numbers in the parameter's own unit.

        Parameters
        ----------
        own : str
            Unit of the parameter.

        Raises
        ------
        ValueError
            When the unit given is one of something else.
        """
        if self.unit is None:
            return self
        base, factor = UNITS[self.unit]
        if base != own:
            allowed = ", ".join(unit for unit, (of, _) in UNITS.items() if of == own) or "none"
            raise ValueError(
                f"unit {self.unit} is not one of {own or 'a number'}; allowed: {allowed}"
            )
        told = {"unit": None}
        for name in ("start", "fixed"):
            value = getattr(self, name)
            told[name] = None if value is None else value * factor
        if self.bounds is not None:
            told["bounds"] = tuple(bound * factor for bound in self.bounds)
        if self.prior is not None:
            told["prior"] = {n: scaled_prior(n, a, factor) for n, a in self.prior.items()}
        return self.model_copy(update=told)


def _check_prior(name: str, arguments: list[float]) -> None:
    """Raise ValueError where a prior has arguments that its distribution does not take."""
    names = tuple(PRIORS[name])
    if len(arguments) != len(names):
        raise ValueError(
            f"{name} takes {len(names)} arguments ({', '.join(names)}), not {len(arguments)}"
        )
    told = dict(zip(names, arguments, strict=True))
    for argument, value in told.items():
        positive = argument in POSITIVE_ARGUMENTS or (name == "loguniform" and argument == "low")
        if not math.isfinite(value) or (positive and value <= 0):
            raise ValueError(f"{argument} of {name} must be {'positive' if positive else 'finite'}")
    if "low" in told and not told["low"] < told["high"]:
        raise ValueError(f"{name} needs low < high")


class ComponentOptions(Options):
    """A component of a model, and what the model says of its parameters."""

    name: str = Field(description="Name of the component, module:name or plugin:name.")
    up_to: Count = Field(
        1,
        description="Most copies of it. Above 1, copies are added one by one while the BIC falls.",
    )
    parameters: dict[str, ParameterOptions] = Field(
        default_factory=dict, description="Bounds, priors, starting, fixed and tied values."
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

    @field_validator("name")
    @classmethod
    def _exists(cls, name):
        find(name)
        return name

    @field_validator("parameters")
    @classmethod
    def _known(cls, parameters, info):
        if "name" not in info.data:  # wrong already
            return parameters
        component = find(info.data["name"])
        known = {p.name: p for p in component.parameters}
        out = {}
        for key, options in parameters.items():
            if key not in known:
                raise ValueError(
                    f"{key!r} is not a parameter of {component.name}; allowed: {', '.join(known)}"
                )
            try:
                out[key] = options.in_unit(known[key].unit)
            except ValueError as error:
                raise ValueError(f"{component.name}.{key}: {error}") from error
            _check_values(f"{component.name}.{key}", known[key], out[key])
        return out


def _check_values(name: str, declared, options: ParameterOptions) -> None:
    """Raise ValueError where the numbers given for a parameter do not go together."""
    lo, hi = options.bounds or declared.bounds
    if (options.scale or declared.scale) == "log" and lo <= 0:
        raise ValueError(f"bounds of {name} must be positive on a log scale, not [{lo:g}, {hi:g}]")
    for what in ("start", "fixed"):
        number = getattr(options, what)
        if number is not None and not lo <= number <= hi:
            raise ValueError(f"{what} of {name} must lie within its bounds [{lo:g}, {hi:g}]")


def _check_ties(components: list[ComponentOptions]) -> None:
    """Raise ValueError where a parameter is tied to one that it cannot be tied to."""
    count, known = {}, {}
    for component in components:
        declared = find(component.name)
        for copy in range(component.up_to):
            number = count[declared.name] = count.get(declared.name, 0) + 1
            own = {
                f"{declared.name}.{number}.{p.name}": (p, component.parameters.get(p.name), copy)
                for p in declared.parameters
            }
            known |= own
            for name, (parameter, options, _) in own.items():
                if options is not None and options.tied is not None:
                    _check_tie(name, parameter, options.tied, known)


def _check_tie(name, parameter, tied: TieOptions, known) -> None:
    """Raise ValueError unless a tie goes to a free parameter that is there whenever it is."""
    if tied.to not in known:
        allowed = ", ".join(n for n, (_, options, _) in known.items() if n != name)
        raise ValueError(
            f"{name} is tied to {tied.to!r}, which is not a parameter of its component or one before; "
            f"allowed: {allowed}"
        )
    target, options, copy = known[tied.to]
    if options is not None and options.tied is not None:
        raise ValueError(f"{name} is tied to {tied.to}, which is tied itself")
    if copy:
        raise ValueError(f"{name} is tied to {tied.to}, a copy that is not always there")
    lo = ((options and options.bounds) or target.bounds)[0]
    if parameter.scale == "log" and lo <= 0:
        raise ValueError(
            f"{name} must be positive, and {tied.to}, which it is tied to, need not be"
        )


class DetectionOptions(Options):
    """Test of one more peak, calibrated by simulation."""

    component: ComponentOptions = Field(
        default_factory=lambda: {"lorentzian_numax": {"q": {"bounds": [2, 100]}}},
        validate_default=True,
        description="The peak, as in a model; by default a narrow Lorentzian.",
    )
    draws: Count = Field(
        1000, description="Spectra drawn from the model without the peak, at most, for each source."
    )
    enough: Count = Field(
        20, description="Draws with as large a likelihood ratio as the data at which they end."
    )
    seed: int = Field(1, ge=0, description="Seed of the draws, together with the source's name.")
    alpha: Fraction = Field(
        0.01,
        description="p-value above which no peak was found, and there are upper limits instead.",
    )
    limits: int = Field(
        12,
        ge=0,
        description="Frequencies at which the rms of a Lorentzian is limited then; 0: none.",
    )
    limit_q: Positive = Field(10.0, description="Quality factor of that Lorentzian.")
    min_q: Positive = Field(
        2.0,
        description="The most prominent Lorentzian of the chosen model with a larger quality factor is tested, "
        "against the same model without it; where it has none, one more peak is.",
    )

    @field_validator("component")
    @classmethod
    def _a_peak(cls, component):
        if not find(component.name).peak:
            raise ValueError(f"{component.name} is not a peak")
        return component


class EvidenceOptions(Options):
    """Evidence of each model by importance sampling."""

    draws: int = Field(1024, ge=128, description="Draws from the posterior of each fit.")
    seed: int = Field(1, ge=0, description="Seed of the draws, together with the source's name.")


class SamplesOptions(Options):
    """Sources whose posteriors are sampled by chains, and their draws kept."""

    sources: list[str] = Field(
        default_factory=list,
        description='Names of sources, or patterns: `GRS 1915*`; `["*"]`: all.',
    )
    flagged: bool = Field(
        True,
        description="Also the sources of which the importance weights of the chosen model cannot be "
        "believed (`pareto_k` above 0.7); needs `evidence`.",
    )
    draws: int = Field(
        1600, ge=800, description="Draws kept of each source, of four chains together."
    )
    seed: int = Field(1, ge=0, description="Seed of the draws, together with the source's name.")

    def names(self, source_id: str) -> bool:
        """Return whether a source is one of `sources`."""
        return any(fnmatchcase(source_id, pattern) for pattern in self.sources)


class CriterionOptions(Options):
    """What decides whether one more copy of a component stays."""

    by: Literal["bic", "evidence", "p_value"] = Field(
        "bic",
        description="`bic`: it lowers the BIC by more than `min_delta_bic`; `evidence`: it raises twice the "
        "logarithm of the evidence by as much; `p_value`: noise would mimic it less often than `alpha`, by "
        "simulation of each spectrum.",
    )
    alpha: Fraction = Field(0.01, description="Largest p-value of a copy that stays.")
    draws: int = Field(
        512, ge=128, description="Draws from the posterior, or spectra simulated, for each copy."
    )
    seed: int = Field(1, ge=0, description="Seed of the draws, together with the source's name.")


class OutlierOptions(Options):
    """Checks of the chosen model against simulations, and the search for its highest outlier."""

    scales: list[Count] = Field(
        default_factory=lambda: [1, 2, 4, 8, 16],
        description="Numbers of frequency bins side by side that are searched together; 1 always is.",
    )
    draws: Count = Field(
        1000, description="Spectra drawn from the posterior, at most, for each source and product."
    )
    enough: Count = Field(
        20,
        description="Draws with as large a statistic as the data, for each of them, at which they end.",
    )
    seed: int = Field(1, ge=0, description="Seed of the draws, together with the source's name.")
    alpha: Fraction = Field(
        0.001,
        description="Largest p-value of T_SSE at which the flag POOR_FIT is set, and of as small a T_SSE at "
        "which TOO_GOOD_FIT is.",
    )


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
    high_pass: Literal["keep", "cut"] = Field(
        "keep",
        description="`cut`: leave out the lowest frequencies where their power is less than a tenth of the "
        "largest, as where the light curve of a star went through a high-pass filter. Not for spectra in which a "
        "peak stands far above all that is below it.",
    )
    lines: Literal["keep", "cut"] = Field(
        "keep",
        description="`cut`: leave out bins whose power is twice the highest at 4 to 12 % from their frequency, "
        "on both sides, and more than chance allows, as of an instrumental line beside the modes of a star. Not for "
        "spectra in which a peak of Q > 10 is looked for.",
    )
    bin_average: bool | Literal["auto"] = Field(
        "auto",
        description="Whether the model is averaged over each frequency bin, rather than taken at its "
        "centre. `auto`: where bins differ in width, as after logarithmic rebinning.",
    )
    likelihood: Literal["auto", "gaussian", "gaussian_model"] = Field(
        "auto",
        description="Of power spectra of which only errors are known (where n is, it is the gamma "
        "likelihood). `gaussian`: with the errors as they are; `gaussian_model`: with the variance of the "
        "model, S^2 / n and n = (power / error)^2, for errors that are the power over the root of n; `auto`: "
        "`gaussian_model` where the errors are, else `gaussian`, where errors that follow the power are "
        "replaced by those of their neighbours.",
    )
    min_delta_bic: float = Field(
        0.0,
        ge=0,
        description="By how much the BIC must fall for a larger model, or one more copy of a "
        "component, to be chosen.",
    )
    criterion: CriterionOptions = Field(
        default_factory=CriterionOptions,
        description="What decides whether one more copy of a component (`up_to`) stays.",
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
        description="Errors from the profile of the likelihood, and limits: `weak`: for components "
        "less than two sigma from zero or at a bound; `all`: for every component; `none`.",
    )
    levels: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        default_factory=list,
        description="Further levels, beside 68.3 %, at which profiled parameters get an interval: "
        "[0.9, 0.9545].",
    )
    upper_limit: float = Field(
        0.95,
        gt=0.5,
        lt=1,
        description="Confidence of limits: upper ones of weak components, and of every interval that is open "
        "on the other side.",
    )
    detection: DetectionOptions | None = Field(
        None,
        description="Test whether the chosen model needs its QPO or, where it has none, one more narrow peak; "
        "null: none. Fills `qpo_p_value` and `qpo_q_value`.",
    )
    evidence: EvidenceOptions | None = Field(
        None,
        description="Evidence and probability of each model, by importance sampling; null: none. The "
        "prior of a parameter is flat within its bounds unless stated.",
    )
    samples: SamplesOptions | None = Field(
        None,
        description="Draw from the posteriors of chosen sources by Hamiltonian Monte Carlo, and keep the draws "
        "in `samples.parquet`; null: none.",
    )
    outliers: OutlierOptions | None = Field(
        None,
        description="Check whether the chosen model describes the spectrum, and search its highest outlier; "
        "null: none. Fills `t_sse_p_value`, `outlier_p_value` and `outlier_q_value`.",
    )
    platform: Literal["auto", "cpu", "gpu"] = Field(
        "auto", description="`auto`: a GPU where there is one, else the CPU."
    )
    compilation_cache: str | None = Field(
        None,
        description="Folder of JAX's compilation cache, local to the node; null: one under the "
        "system's temporary folder.",
    )
    threads: int = Field(
        0,
        ge=0,
        description="Cores of a fit job; 0: on a GPU all that the workflow has, else its share of them, "
        "for shards side by side on a core each are done sooner than one after the other on all.",
    )
    components_folder: str | None = Field(
        None,
        description="Folder from which components `module:name` are imported, after PYTHONPATH; null: "
        "that of the configuration file.",
    )

    @model_validator(mode="before")
    @classmethod
    def _look_in_folder(cls, values):
        """Let components be imported from the folder before they are looked for."""
        folder = values.get("components_folder") if isinstance(values, dict) else None
        if isinstance(folder, str):
            search_in(Path(folder).expanduser().resolve())
        return values

    @field_validator("models")
    @classmethod
    def _not_empty(cls, models):
        if not models:
            raise ValueError("must name at least one model")
        for name, components in models.items():
            if not components:
                raise ValueError(f"model {name!r} has no component")
            try:
                _check_ties(components)
            except ValueError as error:
                raise ValueError(f"model {name!r}: {error}") from error
        return models

    @property
    def user_components(self) -> list:
        """The components of its models that are not built in, each once, by name."""
        models = [*self.models.values(), [self.detection.component] if self.detection else []]
        names = {c.name for model in models for c in model}
        return [find(name) for name in sorted(names - COMPONENTS.keys())]


class CatalogOptions(Options):
    """The published catalogue and its quality gate."""

    max_failed_fraction: Fraction = Field(
        0.5, description="The merge fails if a larger fraction of the sources has no result."
    )
    qpo_min_q: Positive = Field(
        2.0, description="Least Q of a Lorentzian that is called a QPO, with 95 % confidence."
    )
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
    max_corners: int = Field(
        50,
        ge=0,
        description="Corner plots in the page, of sources whose draws were kept (`fit.samples`).",
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

    archive: str = Field(
        description="Folder to search for files; or their server: an http(s):// page with links to them, "
        "or s3://bucket/prefix."
    )
    shards: int = Field(
        4, ge=1, le=9999, description="Parts that sources are spread over by a hash of their name."
    )
    source: SourceOptions = Field(default_factory=SourceOptions, description="What one source is.")
    cluster: ClusterOptions = Field(default_factory=ClusterOptions, description="The Dask cluster.")
    remote: RemoteOptions = Field(
        default_factory=RemoteOptions, description="An archive on a server."
    )
    ingest: IngestOptions = Field(default_factory=IngestOptions, description="Reading files.")
    segment: SegmentOptions = Field(default_factory=SegmentOptions, description="Power spectra.")
    fit: FitOptions = Field(default_factory=FitOptions, description="Models and fits.")
    catalog: CatalogOptions = Field(default_factory=CatalogOptions, description="The catalogue.")
    report: ReportOptions = Field(default_factory=ReportOptions, description="The report.")
    simulate: SimulateOptions = Field(
        default_factory=SimulateOptions, description="The simulated archive."
    )

    @field_validator("archive")
    @classmethod
    def _folder_or_server(cls, archive):
        return _without_secret(archive, ("http", "https", "s3")) if is_remote(archive) else archive


SCANNED_BY = ("max_decompressed", "tables")
"""Options of `ingest` that finding the files of an archive depends on."""

NOT_IN_CATALOGUE = {"cluster", "remote", "report"}
"""Sections that change nothing in a catalogue."""

SECTIONS = {
    "source": SourceOptions,
    "cluster": ClusterOptions,
    "remote": RemoteOptions,
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
    folder = Path(path).resolve().parent
    search_in(folder)
    survey = validate({**values, **(overrides or {})})
    if survey.fit.user_components and survey.fit.components_folder is None:
        fit = survey.fit.model_copy(update={"components_folder": str(folder)})
        survey = survey.model_copy(update={"fit": fit})  # the stages read it from their own folder
    return survey


def validate(values: dict, section: type[Options] = Survey):
    """Turn a dictionary into a `Survey` or one of its sections, or raise a one-line `ConfigError`."""
    try:
        return section.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_one_line(error, section)) from error


def section_json(options: Options, only: Collection[str] | None = None) -> str:
    """Return a section as JSON with sorted keys: what a rule hands to its stage and is re-run by.

    Parameters
    ----------
    options : Options
        The section.
    only : collection of str, optional
        The keys that the rule depends on; all if not given.
    """
    include = None if only is None else set(only)
    return json.dumps(options.model_dump(mode="json", include=include), sort_keys=True)


def cluster_json(survey: Survey, threads: int) -> str:
    """Return the section `cluster` as JSON, with a worker a thread of the job unless it says how many."""
    workers = survey.cluster.workers or threads
    return section_json(survey.cluster.model_copy(update={"workers": workers}))


def fit_threads(survey: Survey, cores: int, elsewhere: bool = False) -> int:
    """Return the cores of a fit job of a workflow that has so many.

    Parameters
    ----------
    survey : Survey
        Its `fit.threads`, where they are given; else the platform decides.
    cores : int
        Cores of the workflow.
    elsewhere : bool, optional
        Whether jobs run on other machines than this one, as on a cluster: whether these have a GPU is not
        to be seen from here. What a job finds there it uses; its cores are those that the profile asks for.
    """
    on_gpu = survey.fit.platform == "gpu" or (
        survey.fit.platform == "auto" and not elsewhere and any(Path("/dev").glob("nvidia[0-9]*"))
    )
    return survey.fit.threads or (cores if on_gpu else max(1, cores // survey.shards))


def survey_json(survey: Survey) -> str:
    """Return as JSON what a catalogue is made by: a survey without what does not touch its rows."""
    values = survey.model_dump(mode="json", exclude=NOT_IN_CATALOGUE)
    return json.dumps(values, sort_keys=True)


def check_paths(survey: Survey) -> None:
    """Raise ConfigError where a path in the configuration does not exist."""
    folder = not survey.simulate.enabled and not is_remote(survey.archive)
    if folder and not os.path.isdir(survey.archive):
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
    archive, truth = survey.archive, survey.report.truth
    if not is_remote(archive):
        archive = Path(archive).expanduser().resolve()
        if Path(results).resolve().is_relative_to(archive):
            raise ConfigError(
                f"archive: {survey.archive!r} holds the folder of the results; allowed: another folder"
            )
        beside = archive.with_name(f"{archive.name}-truth.parquet")
        truth = truth or (beside if beside.is_file() else None)
    truth = str(Path(truth).expanduser().resolve()) if truth else None
    report = survey.report.model_copy(update={"truth": truth})
    copies = survey.remote.copies
    copies = str(Path(copies).expanduser().resolve()) if copies else None
    remote = survey.remote.model_copy(update={"copies": copies})
    folder = survey.fit.components_folder
    folder = str(Path(folder).expanduser().resolve()) if folder else None
    fit = survey.fit.model_copy(update={"components_folder": folder})
    return survey.model_copy(
        update={"archive": str(archive), "fit": fit, "report": report, "remote": remote}
    )


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


def components_version(fit: FitOptions) -> str:
    """Return a hash of the modules of the components that are not built in; empty if there are none."""
    components = fit.user_components
    if not components:
        return ""
    named = {
        c.name.partition(":")[0] for model in fit.models.values() for c in model if ":" in c.name
    }
    modules = named | {component.function.__module__ for component in components}
    files = {getattr(sys.modules.get(name), "__file__", None) for name in modules} - {None}
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(Path(file).read_bytes())
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
        if isinstance(part, int):  # in a list, of which the members are meant
            current = get_args(current)[0]
            continue
        field = getattr(current, "model_fields", {}).get(part)
        if field is None:
            inside = TieOptions if "tied" in location else ParameterOptions
            return set(inside.model_fields) if "parameters" in location else set()
        current = field.annotation
    return set(getattr(current, "model_fields", {}))


def shard_of(source_id: str, shards: int) -> int:
    """Return the shard of a source: a hash of its name, the same on every machine."""
    return int.from_bytes(hashlib.sha256(source_id.encode()).digest()[:8], "big") % shards


def shard_name(index: int) -> str:
    """Return the name of a shard in file names: ``shard-0003``."""
    return f"shard-{index:04d}"
