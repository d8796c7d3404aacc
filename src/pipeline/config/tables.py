"""Options of `ingest.tables`: how text files, and FITS tables of an unknown form, are read."""

from typing import Literal

from pydantic import Field, model_validator

from pipeline.config.base import Count, Options, Positive

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
    "aastex",
    "basic",
    "cds",
    "commented_header",
    "csv",
    "daophot",
    "ecsv",
    "fixed_width",
    "fixed_width_no_header",
    "fixed_width_two_line",
    "ipac",
    "latex",
    "mrt",
    "no_header",
    "rdb",
    "rst",
    "sextractor",
    "tab",
    "tdat",
    "votable",
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
        description="How the values of the column are compared with `value`. `bits clear`: none of the bits "
        "of `value` is set.",
    )
    value: bool | int | float | str | list[int | float | str] = Field(
        description="Value to compare with; a list under `in` and `not in`. Words are compared as words and "
        "numbers as numbers; a number in quotation marks is a word."
    )

    @model_validator(mode="after")
    def _fits(self) -> "RowOptions":
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
        "lightcurve", description="Kind of data that the files hold."
    )
    columns: dict[Role, str | Count] = Field(
        description="Columns of the file by their role, each given by its name or its number from 1: {time: "
        "1, rate: FLUX}. Without `time`, a light curve has a bin every TIMEDEL. `error_lo` and "
        "`error_hi` are the two sides of an asymmetric error. `object` says to which object a "
        "row belongs; each object is a source. `band` says in which band or filter a row was "
        "measured; each band is a product. `ra`, `dec`: position of the object, deg."
    )
    keywords: dict[str, bool | int | float | str] = Field(
        default_factory=dict,
        description="FITS keywords that are added to those of the file, or replace them: {TELESCOP: Kepler, "
        "OBJECT: 'KIC {1}', TIMEUNIT: d, MJDREFI: 0, TIMEDEL: 0.02}. `{1}` stands for the text "
        "that the first wildcard of `files` matched, `{stem}` for the file's name without "
        "folders and extension, `{object}` for the object in the column `object`.",
    )
    units: dict[Role, str] = Field(
        default_factory=dict,
        description="Units of columns that do not state one: {frequency: uHz, energy: eV}. An error may also "
        "be in percent of the rate, or a variance: {error: percent}.",
    )
    missing: list[float | str] = Field(
        default_factory=list,
        description="Numbers and words that stand for no value, in addition to the usual ones: [-1, 88.8, "
        "saturated].",
    )
    good: list[bool | int | float | str] = Field(
        default_factory=list,
        description="Values of `quality` that are good; empty: 0, and words such as good, G and OK.",
    )
    bad_bits: int = Field(
        0,
        ge=0,
        description="Bits of `quality` that make a row bad; 0: the bits that the mission defines, else any "
        "bit.",
    )
    scale: Literal["linear", "magnitude", "log10"] = Field(
        "linear",
        description="Scale of the rates; magnitudes and logarithms become fluxes with a median of 1.",
    )
    factor: Positive = Field(
        1.0,
        description="Factor by which powers are multiplied, e.g. 1e-6 for ppm^2/uHz under `norm: frac`.",
    )
    integrated: bool = Field(
        False,
        description="Whether powers, errors and noise are integrated over each bin (density times width), as "
        "in the text for flx2xsp.",
    )
    norm: Literal["leahy", "frac", "abs"] | None = Field(
        None,
        description="Normalisation of a power spectrum; null: that of its keywords or of the unit of its "
        "powers, else `ingest.spectrum_norm`.",
    )
    oversampling: float = Field(
        1.0,
        ge=1,
        description="Number of ordinates of a power spectrum for each independent frequency. Powers are raw "
        "ordinates unless there is a column `error` or `n`.",
    )
    average: Count = Field(
        1,
        description="Number of neighbouring raw powers that are averaged into a bin of a power spectrum.",
    )
    rebin: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Logarithmic rebinning of raw powers: width of a bin over its frequency; 0: none. A bin "
        "holds at least `average` raw powers and one independent frequency.",
    )
    rows: list[RowOptions] = Field(
        default_factory=list,
        description="Conditions on rows: a row is kept if it fulfils all of them, [{column: catflags, op: "
        "'<', value: 1}].",
    )
    times: list[tuple[float, float]] = Field(
        default_factory=list,
        description="Times to keep, in the numbers of the column `time`: [[lo, hi], …]; empty: all.",
    )
    frequencies: list[tuple[float, float]] = Field(
        default_factory=list,
        description="Frequencies of a power spectrum to keep, Hz: [[lo, hi], …]; empty: all.",
    )
    mask: list[tuple[float, float]] = Field(
        default_factory=list,
        description="Frequencies of a power spectrum to leave out, Hz, such as those of an instrumental "
        "line; a bin that overlaps one is dropped.",
    )
    format: TextFormat | None = Field(
        None,
        description="Format of a text file by its name in `astropy.io.ascii`, or votable; null: columns "
        "between commas or blanks.",
    )
    delimiter: str | None = Field(
        None,
        description="Text between the columns of a text file; null: commas if there are any, else blanks.",
    )
    comment: str = Field("#", min_length=1, description="Text with which a comment line begins.")
    skip: int = Field(
        0, ge=0, description="Number of lines to leave out at the start of a text file."
    )

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> "TableOptions":
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
