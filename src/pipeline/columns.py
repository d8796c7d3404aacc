"""Every column of every table, declared once.

Parquet schemas and metadata, FITS cards, VOTable fields, the documentation of the catalogue and
the validation of what a stage reads all come from these declarations.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes
    ----------
    name : str
        Its name in every format.
    dtype : str
        NumPy name of the element type: ``str``, ``bool``, ``int32``, ``int64``, ``float32``, ``float64``.
    description : str
        One sentence.
    unit : str
        Unit in the FITS and VOUnit convention; empty when dimensionless.
    ucd : str
        IVOA UCD1+.
    array : bool
        Whether a cell holds a list instead of a scalar.
    vector : bool, optional
        Whether the lists of a catalogue are all of one length, or empty.
    null : str, float, int or None, optional
        The value that means that there is none, which is null in files: NaN of numbers with a fraction, empty
        text. By default whole numbers and truth values have none; None: every value is one.
    of : str, optional
        Name of the column that this one says something about: where that has no value, this has none.
    """

    name: str
    dtype: str
    description: str
    unit: str = ""
    ucd: str = "meta.note"
    array: bool = False
    vector: bool = False
    null: object = ...
    of: str = ""


@dataclass(frozen=True)
class Table:
    """A table: its name, a sentence, its columns in order, and what makes a row unique."""

    name: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    def column(self, name: str) -> Column:
        """Return the column called `name`; raises KeyError if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(c.name for c in self.columns)


def _measured(name, unit, ucd, description, dtype="float64"):
    """A value with its lower and upper 68.3 % errors."""
    return (
        Column(name, dtype, description, unit, ucd),
        Column(
            f"{name}_err_lo", dtype, f"Lower 68.3 % error of {name}.", unit, f"stat.error;{ucd}"
        ),
        Column(
            f"{name}_err_hi", dtype, f"Upper 68.3 % error of {name}.", unit, f"stat.error;{ucd}"
        ),
    )


FITTED = ("slope", "bend_frequency", "qpo_frequency", "qpo_fwhm", "qpo_q", "qpo_rms")
"""Columns of SOURCES with errors from a fit, which have limits and say where their interval is open."""


def _fitted(name, unit, ucd, description):
    """A value with its errors, whether its interval is open, and what is known then."""
    side = "no lower end: its err_lo is null", "no upper end: its err_hi is null"
    return (
        *_measured(name, unit, ucd, description),
        *(
            Column(
                f"{name}_open_{end}",
                "bool",
                f"Whether the 68.3 % interval of {name} has {what}.",
                ucd="meta.code",
                of=name,
            )
            for end, what in zip(("lo", "hi"), side, strict=True)
        ),
        Column(
            f"{name}_limit",
            "float64",
            f"Limit of {name} at fit.upper_limit: a lower one where {name}_open_hi, else an upper one; "
            "null where the interval is closed and wide of its bounds.",
            unit,
            f"stat.value;{ucd}",
        ),
    )


def _is_limit(name, method=""):
    """Whether a p-value is a limit."""
    told = f" ({method} is `below`)" if method else ""
    return Column(
        f"{name}_p_is_limit",
        "bool",
        f"Whether {name}_p_value is an upper limit{told}: no simulation came near.",
        ucd="meta.code",
        of=f"{name}_p_value",
    )


def _p_value(name, p_value):
    """A p-value by simulation, a column or what it says, with its error and how it was found."""
    if isinstance(p_value, str):
        p_value = Column(f"{name}_p_value", "float64", p_value, "", "stat.probability")
    return (
        p_value,
        Column(
            f"{name}_p_error",
            "float64",
            "Standard error of log10 of that; NaN where it is a limit.",
            "",
            "stat.error;stat.probability",
        ),
        Column(
            f"{name}_method",
            "str",
            "How it was found: simulated, sequential, extrapolated, below (it is an upper limit), or none.",
            ucd="meta.code",
        ),
    )


SOURCE_ID = Column("source_id", "str", "Identifier of the source.", ucd="meta.id;meta.main")
OBSERVATION_ID = Column(
    "observation_id", "str", "Identifier of the observation.", ucd="meta.id;obs"
)
FILE = Column("file", "str", "Path of the file inside the archive.", ucd="meta.id;meta.file")
SHA256 = Column(
    "sha256", "str", "SHA-256 of the file, empty where it was not read to its end.", ucd="meta.code"
)
VERSION = Column(
    "version",
    "str",
    "What changes when the file does: its ETag, else its size and time of change.",
    ucd="meta.version",
)
KIND = Column(
    "kind", "str", "events, lightcurve, spectrum, response or other.", ucd="meta.code.class"
)
MISSION = Column("mission", "str", "Mission, in lower case.", ucd="meta.id;instr.obsty")
INSTRUMENT = Column("instrument", "str", "Instrument, in lower case.", ucd="instr")
OBJECT = Column("object", "str", "Object, as the file spells it.", ucd="meta.id")
RA = Column("ra", "float64", "Right ascension, ICRS, NaN if unknown.", "deg", "pos.eq.ra;meta.main")
DEC = Column("dec", "float64", "Declination, ICRS, NaN if unknown.", "deg", "pos.eq.dec;meta.main")
N_DROPPED = Column(
    "n_dropped",
    "int64",
    "Bins of light curves that were left out: no finite time or value, or marked bad; events so marked.",
    ucd="meta.number",
)
STATUS = Column("status", "str", "What became of it, in a word.", ucd="meta.code.status")
FLAGS = Column(
    "flags",
    "int64",
    "Caveats, a bit each; header (FITS), INFO (VOTable) and metadata (Parquet) say what each means.",
    ucd="meta.code",
)
RMS_LIMIT = Column(
    "rms_limit",
    "float64",
    "95 % upper limit of rms, where the variance is less than three errors of that of noise alone.",
    ucd="src.var.amplitude;stat.max",
)
REASON = Column("reason", "str", "Why there is no result, and what to do.", ucd="meta.note")
PRODUCT = Column(
    "product",
    "str",
    "What was analysed: kind, mission, instrument, energy band and time resolution.",
    ucd="meta.id.part",
)
EPOCH = Column(
    "epoch",
    "str",
    "Observation it is of, where the average of several is another product; else empty.",
    ucd="meta.id;obs",
)
BAND_LO = Column(
    "band_lo", "float64", "Lower edge of the band, NaN if unknown.", "keV", "em.energy;stat.min"
)
BAND_HI = Column(
    "band_hi", "float64", "Upper edge of the band, NaN if unknown.", "keV", "em.energy;stat.max"
)
STATIONARITY_P = Column(
    "stationarity_p",
    "float64",
    "Probability of the scatter of power between segments and observations of a stationary source.",
    "",
    "stat.probability",
)
SERIES = Column(
    "series",
    "str",
    "Product that this one is a length of segment of; where there is one length, the product.",
    ucd="meta.id",
)
LONGEST_INTERVAL = Column(
    "longest_interval",
    "float64",
    "Longest good time interval, short gaps filled; NaN if unknown.",
    "s",
    "time.interval;stat.max",
)
TAPER = Column(
    "taper", "str", "Window of the segments: none, hann, dpss; empty if unknown.", ucd="meta.code"
)
DETREND = Column(
    "detrend",
    "str",
    "What was subtracted from segments: constant, linear, quadratic; empty if unknown.",
    ucd="meta.code",
)
LEAKAGE_P = Column(
    "leakage_p",
    "float64",
    "Probability of as much power without a window if none leaked from low frequencies.",
    "",
    "stat.probability",
)
PULSE = (
    *_measured(
        "pulse_frequency",
        "Hz",
        "em.freq;src.var.pulse",
        "Frequency of a strictly periodic signal, of its fundamental, in the middle of the observation.",
    ),
    *_measured(
        "pulsed_fraction",
        "",
        "src.var.amplitude",
        "Rms of the pulse over the mean rate, noise and known background subtracted.",
    ),
    Column(
        "pulse_h",
        "float64",
        "H of the pulse (de Jager & Buesching 2010), of powers over the local level.",
        "",
        "stat.value",
    ),
    Column(
        "pulse_harmonics",
        "int32",
        "Harmonics of the pulse in that and in pulsed_fraction.",
        ucd="meta.number",
        null=0,
    ),
    Column(
        "pulse_p_value",
        "float64",
        "Probability of phases that agree so well without a pulse, at any frequency searched.",
        "",
        "stat.probability",
    ),
)
T_SSE_P_VALUE = Column(
    "t_sse_p_value",
    "float64",
    "Probability of T_SSE or more where the model is true, from simulations: how well it fits.",
    "",
    "stat.probability",
)
OUTLIER_FREQUENCY = Column(
    "outlier_frequency",
    "float64",
    "Middle of the highest window of bins over the model; NaN where not searched.",
    "Hz",
    "em.freq",
)
OUTLIER_P_VALUE = Column(
    "outlier_p_value",
    "float64",
    "Probability of such a window anywhere where the model is true, from simulations.",
    "",
    "stat.probability",
)
EXPOSURE = Column(
    "exposure", "float64", "Good time, NaN if unknown.", "s", "time.duration;obs.exposure"
)
NORM = Column("norm", "str", "Normalisation of the power: frac, leahy or abs.", ucd="meta.code")
MODEL = Column("model", "str", "Name of the model in the configuration.", ucd="meta.id;stat.fit")

MANIFEST = Table(
    "OBSERVATIONS",
    "Every file that was found in the archive.",
    (
        FILE,
        Column(
            "part",
            "str",
            "Object in a file of several that this row is of, which `file` has behind a #; or empty.",
            ucd="meta.id.part",
        ),
        Column("size", "int64", "Size of the file.", "byte", "phys.size;meta.file", null=-1),
        Column(
            "mtime_ns",
            "int64",
            "Time of the last change, ns since 1970.",
            "ns",
            "time.epoch",
            null=0,
        ),
        VERSION,
        SHA256,
        KIND,
        Column("hdu", "str", "HDU the data are in, by name or number.", ucd="meta.id.part"),
        MISSION,
        INSTRUMENT,
        OBSERVATION_ID,
        OBJECT,
        RA,
        DEC,
        Column(
            "mjd_start",
            "float64",
            "Start (MJD in the file's time system), NaN if unknown.",
            "d",
            "time.start",
        ),
        Column(
            "mjd_stop",
            "float64",
            "End (MJD in the file's time system), NaN if unknown.",
            "d",
            "time.end",
        ),
        EXPOSURE,
        Column(
            "response",
            "str",
            "Response file inside the archive that it needs, or empty.",
            ucd="meta.ref",
        ),
        Column("response_version", "str", "Version of that response file.", ucd="meta.version"),
        SOURCE_ID,
        STATUS,
        FLAGS,
        REASON,
    ),
    key=("file",),
)

LISTING = Table(
    "LISTING",
    "Every file that the server of an archive lists.",
    (
        FILE,
        Column(
            "size",
            "int64",
            "Size of the file, -1 if unknown.",
            "byte",
            "phys.size;meta.file",
            null=-1,
        ),
        Column(
            "mtime_ns",
            "int64",
            "Time of the last change, ns since 1970.",
            "ns",
            "time.epoch",
            null=0,
        ),
        VERSION,
        Column(
            "checksum", "str", "Its checksum, as md5:… or sha-256:…, or empty.", ucd="meta.code"
        ),
        Column("problem", "str", "Why it cannot be had, or empty.", ucd="meta.note"),
    ),
    key=("file",),
)

INGEST = Table(
    "INGEST",
    "One observation a row, read from its file: times from its own start, good time intervals.",
    (
        SOURCE_ID,
        OBSERVATION_ID,
        FILE,
        SHA256,
        KIND,
        MISSION,
        INSTRUMENT,
        OBJECT,
        RA,
        DEC,
        PRODUCT,
        BAND_LO,
        BAND_HI,
        STATUS,
        FLAGS,
        REASON,
        Column("time_system", "str", "Time scale (TT, TDB, UTC, …).", ucd="time.scale"),
        Column(
            "mjd_ref",
            "int64",
            "Whole days of the reference epoch (MJD), -1 if unknown.",
            "d",
            "time.epoch",
            null=-1,
        ),
        Column(
            "mjd_ref_frac",
            "float64",
            "Fraction of a day of the reference epoch.",
            "d",
            "time.epoch",
        ),
        Column(
            "t_start",
            "float64",
            "Start in seconds from the reference epoch, TIMEZERO included.",
            "s",
            "time.start",
        ),
        EXPOSURE,
        Column(
            "time",
            "float64",
            "Events: arrival times. Light curve: bin centres. From t_start.",
            "s",
            "time",
            True,
        ),
        Column(
            "energy", "float32", "Energy of each event; empty if unknown.", "keV", "em.energy", True
        ),
        Column(
            "dt",
            "float64",
            "Bin width of a light curve; time resolution of events, 0 if unknown.",
            "s",
            "time.resolution",
        ),
        Column(
            "tick",
            "float64",
            "Spacing of the frames of the detector that event times are whole multiples of, 0 if none.",
            "s",
            "time.resolution",
        ),
        Column("rate", "float64", "Rate (or flux) in each bin.", "ct/s", "phot.count", True),
        Column(
            "rate_err",
            "float64",
            "Its error; empty if unknown.",
            "ct/s",
            "stat.error;phot.count",
            True,
        ),
        Column(
            "fracexp",
            "float32",
            "Fraction of each bin exposed; empty if unknown.",
            "",
            "stat.filling;obs.exposure",
            True,
        ),
        Column("counting", "bool", "Whether rate x dt are Poisson counts.", ucd="meta.code"),
        N_DROPPED,
        Column(
            "background_rate",
            "float64",
            "Mean background rate in the band, NaN if unknown.",
            "ct/s",
            "phot.count;instr.background",
        ),
        Column(
            "live_fraction",
            "float64",
            "Fraction of the exposure that is not dead time (DEADC), NaN if unknown.",
            "",
            "stat.filling;obs.exposure",
        ),
        Column(
            "gti_start",
            "float64",
            "Starts of the good time intervals, from t_start.",
            "s",
            "time.start",
            True,
        ),
        Column(
            "gti_stop",
            "float64",
            "Ends of the good time intervals, from t_start.",
            "s",
            "time.end",
            True,
        ),
        Column(
            "frequency_lo",
            "float64",
            "Power spectrum: lower edges.",
            "Hz",
            "em.freq;stat.min",
            True,
        ),
        Column(
            "frequency_hi",
            "float64",
            "Power spectrum: upper edges.",
            "Hz",
            "em.freq;stat.max",
            True,
        ),
        Column(
            "power",
            "float64",
            "Power spectrum, noise level included where it is known.",
            "",
            "stat.fourier",
            True,
        ),
        Column("power_err", "float64", "Its error.", "", "stat.error;stat.fourier", True),
        Column(
            "n",
            "float64",
            "Raw ordinates averaged in each of its bins; empty: to be told from the errors.",
            "",
            "meta.number",
            True,
        ),
        Column(
            "noise", "float64", "Noise level of that spectrum, NaN if unknown.", "", "stat.fourier"
        ),
        NORM,
    ),
    key=("file", "product"),
)

SEGMENT = Table(
    "SPECTRA",
    "One averaged power spectrum a row: a source and a product.",
    (
        SOURCE_ID,
        PRODUCT,
        KIND,
        MISSION,
        INSTRUMENT,
        OBJECT,
        RA,
        DEC,
        BAND_LO,
        BAND_HI,
        STATUS,
        FLAGS,
        REASON,
        EPOCH,
        Column(
            "observation_ids", "str", "Observations that were averaged.", ucd="meta.id", array=True
        ),
        Column("n_observations", "int32", "How many.", ucd="meta.number;obs"),
        N_DROPPED,
        Column("mjd_start", "float64", "Start (MJD), NaN if unknown.", "d", "time.start"),
        Column("mjd_stop", "float64", "End (MJD), NaN if unknown.", "d", "time.end"),
        EXPOSURE,
        Column("dt", "float64", "Time resolution.", "s", "time.resolution"),
        SERIES,
        Column("segment_size", "float64", "Length of a segment.", "s", "time.duration"),
        LONGEST_INTERVAL,
        TAPER,
        DETREND,
        LEAKAGE_P,
        Column("m", "int64", "Number of segments averaged.", ucd="meta.number", null=0),
        Column(
            "counts",
            "float64",
            "Counts in the segments used, NaN if not counts.",
            "ct",
            "phot.count",
        ),
        NORM,
        Column(
            "mean_rate",
            "float64",
            "Mean rate in the segments used, NaN if unknown.",
            "ct/s",
            "phot.count;stat.mean",
        ),
        Column(
            "background_rate",
            "float64",
            "Mean background rate, NaN if unknown.",
            "ct/s",
            "phot.count;instr.background",
        ),
        Column(
            "noise",
            "float64",
            "Expected noise level in units of power, NaN if unknown.",
            "",
            "stat.fourier",
        ),
        *_measured(
            "rms",
            "",
            "src.var.amplitude",
            "Fractional rms over the spectrum's frequencies, noise subtracted.",
        ),
        RMS_LIMIT,
        Column(
            "excess_variance",
            "float64",
            "Normalised excess variance; may be negative.",
            "",
            "src.var",
        ),
        Column(
            "excess_variance_err",
            "float64",
            "Its error (Vaughan et al. 2003, eq. 11).",
            "",
            "stat.error;src.var",
        ),
        STATIONARITY_P,
        *PULSE,
        Column(
            "frequency",
            "float64",
            "Mean frequency of the ordinates in each bin.",
            "Hz",
            "em.freq",
            True,
        ),
        Column(
            "frequency_lo", "float64", "Lower edge of each bin.", "Hz", "em.freq;stat.min", True
        ),
        Column(
            "frequency_hi", "float64", "Upper edge of each bin.", "Hz", "em.freq;stat.max", True
        ),
        Column("power", "float64", "Averaged power, noise included.", "", "stat.fourier", True),
        Column(
            "n",
            "float64",
            "Raw periodogram ordinates averaged in each bin (segments x bins).",
            "",
            "meta.number",
            True,
        ),
        Column(
            "power_err",
            "float64",
            "Gaussian error of the power where n is not known; else empty.",
            "",
            "stat.error;stat.fourier",
            True,
        ),
    ),
    key=("source_id", "product"),
)

MODELS = Table(
    "MODELS",
    "One fit a row: a source, a product and a model.",
    (
        SOURCE_ID,
        PRODUCT,
        MODEL,
        Column("best", "bool", "Whether this model was chosen for the product.", ucd="meta.code"),
        STATUS,
        FLAGS,
        REASON,
        NORM,
        Column(
            "components",
            "str",
            "Components fitted, numbered in order.",
            ucd="meta.id.part",
            array=True,
        ),
        Column("n_bins", "int32", "Frequency bins used.", ucd="meta.number"),
        Column("n_free", "int32", "Free parameters.", ucd="stat.fit.dof", of="statistic"),
        Column(
            "statistic",
            "float64",
            "-2 ln L at the best fit, all constants included.",
            "",
            "stat.likelihood",
        ),
        Column(
            "deviance",
            "float64",
            "-2 ln L less that of the saturated model.",
            "",
            "stat.fit.goodness",
        ),
        Column("aic", "float64", "Akaike information criterion.", "", "stat.fit.param"),
        Column(
            "bic",
            "float64",
            "Bayesian information criterion; its sample size is the number of raw periodogram ordinates.",
            "",
            "stat.fit.param",
        ),
        Column(
            "delta_bic",
            "float64",
            "BIC less that of the chosen model; none where no model has a result.",
            "",
            "stat.fit.param",
        ),
        Column(
            "rival_components",
            "str",
            "Components of the decomposition that came closest and lost; empty where there was none.",
            ucd="meta.id.part",
            array=True,
        ),
        Column(
            "rival_delta_bic",
            "float64",
            "Its BIC less that of this fit; NaN where there was none.",
            "",
            "stat.fit.param",
        ),
        Column(
            "log_evidence",
            "float64",
            "Logarithm of the integral of likelihood times prior; NaN where not computed.",
            "",
            "stat.likelihood",
        ),
        Column(
            "log_evidence_err",
            "float64",
            "Its Monte-Carlo error.",
            "",
            "stat.error",
        ),
        Column(
            "log_evidence_laplace",
            "float64",
            "The same from the curvature at the best fit alone.",
            "",
            "stat.likelihood",
        ),
        Column(
            "pareto_k",
            "float64",
            "Tail shape of the importance weights: above 0.7 the evidence is not reliable.",
            "",
            "stat.fit.goodness",
        ),
        Column(
            "ess",
            "float64",
            "Independent draws that the weighted ones are worth.",
            "",
            "stat.value",
        ),
        Column(
            "probability",
            "float64",
            "Probability of the model among those of the product, equal before; NaN where unknown.",
            "",
            "stat.probability",
        ),
        Column(
            "r_hat",
            "float64",
            "Largest rank-normalised split R-hat of its parameters' chains; NaN where none were run.",
            "",
            "stat.fit.goodness",
        ),
        Column(
            "ess_bulk",
            "float64",
            "Least effective number of their draws for the middle of a parameter's distribution.",
            "",
            "stat.value",
        ),
        Column(
            "ess_tail",
            "float64",
            "Least effective number of their draws for its 5 % and 95 % quantiles.",
            "",
            "stat.value",
        ),
        Column(
            "lrt_component",
            "str",
            "Component tested against the model without it; empty where one more was.",
            ucd="meta.id.part",
        ),
        Column(
            "lrt_frequency",
            "float64",
            "Centroid of the peak that was tested, where it lowers -2 ln L most.",
            "Hz",
            "em.freq",
        ),
        Column(
            "lrt_fwhm",
            "float64",
            "Its full width at half maximum.",
            "Hz",
            "em.freq;spect.line.width",
        ),
        Column(
            "lrt_ratio",
            "float64",
            "Fall of -2 ln L when the tested peak joins the model; NaN where not tested.",
            "",
            "stat.likelihood",
        ),
        Column(
            "lrt_p_value",
            "float64",
            "Probability of that fall or more without the peak, from simulations.",
            "",
            "stat.probability",
        ),
        Column(
            "lrt_p_error",
            "float64",
            "Standard error of log10 of the p-value; NaN where that is a limit.",
            "",
            "stat.error;stat.probability",
        ),
        Column("lrt_draws", "int32", "Simulations fitted.", ucd="meta.number", of="lrt_ratio"),
        Column(
            "lrt_reached",
            "int32",
            "Simulations that reached the ratio.",
            ucd="meta.number",
            of="lrt_ratio",
        ),
        Column(
            "lrt_failed",
            "int32",
            "Simulations whose fit failed.",
            ucd="meta.number",
            of="lrt_ratio",
        ),
        Column(
            "lrt_method",
            "str",
            "How the p-value was found: simulated, sequential, extrapolated, or below (it is an upper limit).",
            ucd="meta.code",
        ),
        Column(
            "limit_frequency",
            "float64",
            "Frequencies at which a peak that was not found is limited.",
            "Hz",
            "em.freq",
            array=True,
            vector=True,
        ),
        Column(
            "limit_rms",
            "float64",
            "Upper limits of its fractional rms there; NaN where the mean rate is unknown.",
            "",
            "src.var.amplitude;stat.max",
            array=True,
            vector=True,
        ),
        Column(
            "t_r",
            "float64",
            "Largest -2 ln of the tail probability of a bin: 2 I / S where n = 1 (Vaughan 2010).",
            "",
            "stat.fit.residual;stat.max",
        ),
        *_p_value("t_r", "Probability of T_R or more where the model is true, from simulations."),
        Column(
            "t_sse",
            "float64",
            "Sum of n (I / S - 1)^2 over bins (Vaughan 2010, where n = 1); NaN where not checked.",
            "",
            "stat.fit.residual",
        ),
        *_p_value("t_sse", T_SSE_P_VALUE),
        Column(
            "t_sse_low_p_value",
            "float64",
            "Probability of T_SSE or less: where it is small, the fit is better than the data allow.",
            "",
            "stat.probability",
        ),
        Column(
            "outlier_t_r",
            "float64",
            "T_R of the highest window of bins, of all at fit.outliers.scales.",
            "",
            "stat.fit.residual;stat.max",
        ),
        OUTLIER_FREQUENCY,
        Column("outlier_width", "float64", "Width of that window.", "Hz", "spect.line.width"),
        Column(
            "outlier_bins", "int32", "Bins in that window.", ucd="meta.number", of="outlier_t_r"
        ),
        Column(
            "outlier_trials",
            "int32",
            "Windows that were searched.",
            ucd="meta.number",
            of="outlier_t_r",
        ),
        *_p_value("outlier", OUTLIER_P_VALUE),
        Column(
            "outlier_p_trials",
            "float64",
            "The same as if the model were known and windows did not overlap: 1 - (1 - q)^trials.",
            "",
            "stat.probability",
        ),
        Column(
            "check_draws", "int32", "Simulations fitted for these.", ucd="meta.number", of="t_sse"
        ),
        Column(
            "check_failed", "int32", "Simulations whose fit failed.", ucd="meta.number", of="t_sse"
        ),
        Column(
            "check_origin",
            "str",
            "What their parameters were drawn from: posterior, gaussian, fit, or none.",
            ucd="meta.code",
        ),
        Column(
            "n_iterations",
            "int32",
            "Iterations of the optimiser.",
            ucd="meta.number",
            of="statistic",
        ),
        Column(
            "parameter_names",
            "str",
            "Free parameters in the order of the covariance.",
            ucd="meta.id.part",
            array=True,
        ),
        Column(
            "covariance",
            "float64",
            "Covariance of the free parameters (of the logarithm of those fitted so), row by row.",
            "",
            "stat.covariance",
            True,
        ),
    ),
    key=("source_id", "product", "model"),
)

PARAMETERS = Table(
    "PARAMETERS",
    "One parameter a row.",
    (
        SOURCE_ID,
        PRODUCT,
        MODEL,
        Column(
            "component",
            "str",
            "Component, with its number: lorentzian.1; a blend joins its members with +.",
            ucd="meta.id.part",
        ),
        Column("parameter", "str", "Parameter of the component.", ucd="meta.id.part;stat.param"),
        Column("value", "float64", "Best-fit value.", "", "stat.fit.param"),
        Column(
            "err_lo",
            "float64",
            "Lower 68.3 % error, NaN if there is none or the interval is open below.",
            "",
            "stat.error;stat.fit.param",
        ),
        Column(
            "err_hi",
            "float64",
            "Upper 68.3 % error, NaN if there is none or the interval is open above.",
            "",
            "stat.error;stat.fit.param",
        ),
        Column(
            "error_method",
            "str",
            "How the errors were found: observed, fisher, sandwich (covariance), profile or none.",
            ucd="meta.code",
        ),
        Column(
            "open_lo",
            "bool",
            "Whether the 68.3 % interval reaches the lower bound.",
            ucd="meta.code",
        ),
        Column(
            "open_hi",
            "bool",
            "Whether the 68.3 % interval reaches the upper bound.",
            ucd="meta.code",
        ),
        Column(
            "upper_limit",
            "float64",
            "Upper limit (at fit.upper_limit) of the amplitude of a weak component, and of what is open "
            "below; else NaN.",
            "",
            "stat.fit.param;stat.max",
        ),
        Column(
            "lower_limit",
            "float64",
            "Lower limit (at fit.upper_limit) of what is open above, else NaN.",
            "",
            "stat.fit.param;stat.min",
        ),
        Column(
            "interval_lo",
            "float64",
            "Lower ends of its profile intervals at fit.levels, NaN where open; empty if none.",
            "",
            "stat.fit.param;stat.min",
            array=True,
            vector=True,
        ),
        Column(
            "interval_hi",
            "float64",
            "Upper ends of its profile intervals at fit.levels, NaN where open; empty if none.",
            "",
            "stat.fit.param;stat.max",
            array=True,
            vector=True,
        ),
        Column("unit", "str", "Unit of value, errors and limits.", ucd="meta.unit", null=None),
        Column("free", "bool", "Whether it was free in the fit.", ucd="meta.code"),
        Column(
            "derived", "bool", "Whether it was computed from fitted parameters.", ucd="meta.code"
        ),
        Column("at_bound", "bool", "Whether it ended at its bound.", ucd="meta.code"),
        Column("best", "bool", "Whether its model was chosen for the product.", ucd="meta.code"),
    ),
    key=("source_id", "product", "model", "component", "parameter"),
)

CURVES = Table(
    "CURVES",
    "The power spectrum of a source and product with the chosen model, for plots.",
    (
        SOURCE_ID,
        PRODUCT,
        MODEL,
        NORM,
        Column("components", "str", "Components of the model.", ucd="meta.id.part", array=True),
        Column(
            "frequency_lo", "float64", "Lower edge of each bin.", "Hz", "em.freq;stat.min", True
        ),
        Column(
            "frequency_hi", "float64", "Upper edge of each bin.", "Hz", "em.freq;stat.max", True
        ),
        Column("power", "float64", "Measured power.", "", "stat.fourier", True),
        Column(
            "power_err",
            "float64",
            "Its error: power / sqrt(n), or as given.",
            "",
            "stat.error;stat.fourier",
            True,
        ),
        Column("model_power", "float32", "Model, all components.", "", "stat.fit", True),
        Column(
            "component_power",
            "float32",
            "Each component in turn, one after the other.",
            "",
            "stat.fit",
            True,
        ),
    ),
    key=("source_id", "product"),
)

SAMPLES = Table(
    "SAMPLES",
    "Draws from the posterior of the chosen model of chosen sources, one free parameter a row.",
    (
        SOURCE_ID,
        PRODUCT,
        MODEL,
        Column("component", "str", "Component, with its number: lorentzian.1.", ucd="meta.id.part"),
        Column("parameter", "str", "Parameter of the component.", ucd="meta.id.part;stat.param"),
        Column("unit", "str", "Unit of the draws.", ucd="meta.unit", null=None),
        Column(
            "scale", "str", "log or linear: the prior is flat on it unless stated.", ucd="meta.code"
        ),
        Column(
            "r_hat",
            "float64",
            "Rank-normalised split R-hat of its chains.",
            "",
            "stat.fit.goodness",
        ),
        Column(
            "ess_bulk",
            "float64",
            "Effective number of draws for the middle of its distribution.",
            "",
            "stat.value",
        ),
        Column(
            "ess_tail",
            "float64",
            "Effective number of draws for its 5 % and 95 % quantiles.",
            "",
            "stat.value",
        ),
        Column("n_chains", "int32", "Chains, one after the other in the draws.", ucd="meta.number"),
        Column(
            "value",
            "float64",
            "Draws of equal weight, the k-th of all parameters together; empty if there is no posterior.",
            "",
            "stat.param",
            True,
        ),
    ),
    key=("source_id", "product", "model", "component", "parameter"),
)

SOURCES = Table(
    "SOURCES",
    "One source a row: its best model and what is measured from it.",
    (
        SOURCE_ID,
        OBJECT,
        MISSION,
        INSTRUMENT,
        RA,
        DEC,
        STATUS,
        FLAGS,
        REASON,
        Column(
            "observation_id",
            "str",
            "Identifier of the observation; of the first where several were averaged.",
            ucd="meta.id;obs",
        ),
        Column(
            "n_observations",
            "int32",
            "Observations of the source that were used.",
            ucd="meta.number;obs",
        ),
        N_DROPPED,
        Column(
            "n_files", "int32", "Files of the source in the manifest.", ucd="meta.number;meta.file"
        ),
        Column(
            "n_products", "int32", "Products of the source that were fitted.", ucd="meta.number"
        ),
        Column("mjd_start", "float64", "Start (MJD), NaN if unknown.", "d", "time.start"),
        Column("mjd_stop", "float64", "End (MJD), NaN if unknown.", "d", "time.end"),
        PRODUCT,
        KIND,
        BAND_LO,
        BAND_HI,
        EXPOSURE,
        Column("segment_size", "float64", "Length of a segment.", "s", "time.duration"),
        LONGEST_INTERVAL,
        TAPER,
        DETREND,
        LEAKAGE_P,
        Column("m", "int64", "Number of segments averaged.", ucd="meta.number", null=0),
        Column("n_bins", "int32", "Frequency bins fitted.", ucd="meta.number", of="model"),
        NORM,
        Column(
            "mean_rate", "float64", "Mean rate, NaN if unknown.", "ct/s", "phot.count;stat.mean"
        ),
        Column(
            "noise",
            "float64",
            "Expected noise level in units of power, NaN if unknown.",
            "",
            "stat.fourier",
        ),
        *_measured("rms", "", "src.var.amplitude", "Fractional rms, noise subtracted."),
        RMS_LIMIT,
        Column(
            "excess_variance",
            "float64",
            "Normalised excess variance; may be negative.",
            "",
            "src.var",
        ),
        Column(
            "excess_variance_err",
            "float64",
            "Its error (Vaughan et al. 2003, eq. 11).",
            "",
            "stat.error;src.var",
        ),
        STATIONARITY_P,
        *PULSE,
        MODEL,
        Column(
            "runner_up",
            "str",
            "Second best model, or the chosen one with or without a component.",
            ucd="meta.id;stat.fit",
        ),
        Column(
            "delta_bic",
            "float64",
            "BIC of the runner-up less that of the chosen model.",
            "",
            "stat.fit.param",
        ),
        Column("statistic", "float64", "-2 ln L of the chosen model.", "", "stat.likelihood"),
        Column(
            "deviance",
            "float64",
            "-2 ln L less that of the saturated model.",
            "",
            "stat.fit.goodness",
        ),
        Column(
            "n_free",
            "int32",
            "Free parameters of the chosen model.",
            ucd="stat.fit.dof",
            of="model",
        ),
        *_fitted(
            "slope", "", "stat.param", "Slope of the power law (of the upper part, if it bends)."
        ),
        *_fitted("bend_frequency", "Hz", "em.freq", "Bend frequency of the power law."),
        *_fitted(
            "nu_max", "Hz", "em.freq", "Frequency of maximum power of solar-like oscillations."
        ),
        *_fitted(
            "qpo_frequency",
            "Hz",
            "em.freq;src.var.pulse",
            "Centroid of the most prominent Lorentzian, or blend of them, with Q > 2.",
        ),
        *_fitted("qpo_fwhm", "Hz", "em.freq;spect.line.width", "Its full width at half maximum."),
        *_fitted("qpo_q", "", "stat.param", "Its quality factor, frequency / fwhm."),
        *_fitted(
            "qpo_rms",
            "",
            "src.var.amplitude",
            "Its fractional rms; null where the mean rate is unknown.",
        ),
        Column(
            "qpo_product",
            "str",
            "Product (band) that the QPO is of: the one with the best evidence.",
            ucd="meta.id.part",
        ),
        Column("qpo_rival", "str", "The next most prominent narrow component.", ucd="meta.id.part"),
        Column(
            "qpo_rival_ratio",
            "float64",
            "Its rms over that of the QPO; NaN where there is none.",
            "",
            "src.var.amplitude;arith.ratio",
        ),
        Column(
            "qpo_harmonics",
            "str",
            "Narrow Lorentzians at a harmonic or sub-harmonic of it, within errors.",
            "",
            "meta.id.part",
            True,
        ),
        Column(
            "qpo_harmonic_ratios",
            "float64",
            "Ratios of their frequencies to it: 1/3, 1/2, 2, 3 or 4.",
            "",
            "em.freq;arith.ratio",
            True,
        ),
        Column(
            "qpo_p_component",
            "str",
            "Component that was tested against the model without it; empty where one more peak was.",
            ucd="meta.id.part",
        ),
        Column(
            "qpo_p_frequency",
            "float64",
            "Centroid of the peak that was tested.",
            "Hz",
            "em.freq",
        ),
        Column(
            "qpo_p_value",
            "float64",
            "Calibrated p-value of the QPO, or of one more peak where there is none, of all products (bands) "
            "together; NaN where not computed, or of another peak: see qpo_p_frequency.",
            "",
            "stat.probability",
        ),
        Column(
            "qpo_p_trials",
            "int32",
            "Products (bands, lengths of segments) whose p-values it combines.",
            ucd="meta.number",
            of="qpo_p_value",
        ),
        Column(
            "qpo_p_product",
            "float64",
            "The p-value of the product that the QPO is of, by itself.",
            "",
            "stat.probability",
        ),
        Column(
            "qpo_p_error",
            "float64",
            "Standard error of log10 of the p-value; NaN where that is a limit.",
            "",
            "stat.error;stat.probability",
        ),
        Column(
            "qpo_p_method",
            "str",
            "How it was found: simulated, sequential, extrapolated, or below (it is a limit).",
            ucd="meta.code",
        ),
        _is_limit("qpo", "qpo_p_method"),
        Column(
            "qpo_q_value",
            "float64",
            "Least false-discovery rate in the catalogue at which the QPO is significant; NaN without one.",
            "",
            "stat.probability",
        ),
        T_SSE_P_VALUE,
        _is_limit("t_sse"),
        OUTLIER_FREQUENCY,
        OUTLIER_P_VALUE,
        _is_limit("outlier"),
        Column(
            "outlier_q_value",
            "float64",
            "Least false-discovery rate in the catalogue at which the outlier is significant.",
            "",
            "stat.probability",
        ),
        Column(
            "n_epochs",
            "int32",
            "Observations with rows of their own in EPOCHS.",
            ucd="meta.number;obs",
        ),
        Column(
            "epoch_best",
            "str",
            "Observation with the smallest p-value of a peak; empty where none was tested.",
            ucd="meta.id;obs",
        ),
        Column(
            "epoch_p_value",
            "float64",
            "p-value of a peak, of all observations and bands in EPOCHS together.",
            "",
            "stat.probability",
        ),
    ),
    key=("source_id",),
)

_OF_A_SOURCE = frozenset(
    {
        *("ra", "dec", "n_files", "n_products", "n_epochs", "epoch_best", "epoch_p_value"),
        *("qpo_product", "qpo_p_trials", "qpo_p_product", "outlier_q_value"),
    }
)
"""Columns of SOURCES that say nothing of one power spectrum."""

EPOCHS = Table(
    "EPOCHS",
    "One power spectrum a row: a source, a band, and an observation or the average of several.",
    tuple(c for c in SOURCES.columns if c.name not in _OF_A_SOURCE),
    key=("source_id", "product"),
)

REJECTED = Table(
    "REJECTED",
    "What could not be used, where and why. A file may have a row a stage.",
    (
        FILE,
        SOURCE_ID,
        Column("stage", "str", "Stage that gave up on it.", ucd="meta.code"),
        STATUS,
        REASON,
    ),
    key=("file", "source_id", "stage"),
)

TRUTH = Table(
    "TRUTH",
    "A source of a simulated archive a row: what was injected, NaN where there is none.",
    (
        Column("object", "str", "Object, as its first file spells it.", ucd="meta.id;meta.main"),
        Column("dialect", "str", "events, rate, power or kepler.", ucd="meta.code.class"),
        Column("kind", "str", "noise, power_law, bending_power_law or qpo.", ucd="meta.code.class"),
        Column(
            "slope",
            "float64",
            "Slope of the power law (of the upper part, if it bends).",
            "",
            "stat.param",
        ),
        Column("slope_low", "float64", "Slope below the bend.", "", "stat.param"),
        Column(
            "amplitude",
            "float64",
            "Amplitude of the power law: fractional rms squared per Hz at 1 Hz, if it does not bend.",
            "1/Hz",
            "stat.fourier",
        ),
        Column("bend_frequency", "float64", "Bend frequency of the power law.", "Hz", "em.freq"),
        Column(
            "floor_frequency",
            "float64",
            "The continuum is flat below this frequency, just below the lowest that is analysed.",
            "Hz",
            "em.freq",
        ),
        Column("qpo_frequency", "float64", "Centroid of the QPO.", "Hz", "em.freq;src.var.pulse"),
        Column("qpo_fwhm", "float64", "Full width at half maximum of the QPO.", "Hz", "em.freq"),
        Column(
            "qpo_rms",
            "float64",
            "Fractional rms of the QPO over all positive frequencies.",
            "",
            "src.var.amplitude",
        ),
        Column(
            "noise",
            "float64",
            "Noise level of the measurement, fractional rms squared per Hz.",
            "1/Hz",
            "stat.fourier",
        ),
        Column(
            "mean_rate",
            "float64",
            "Mean rate of the source; electrons a second for Kepler's dialect.",
            "ct/s",
            "phot.count;stat.mean",
        ),
        Column(
            "n_files",
            "int32",
            "Sound files of the source, copies not counted.",
            ucd="meta.number;meta.file",
        ),
        Column(
            "damaged", "bool", "Whether a file damaged on purpose names it too.", ucd="meta.code"
        ),
    ),
    key=("object",),
)

TABLES = {
    t.name: t
    for t in (
        MANIFEST,
        LISTING,
        INGEST,
        SEGMENT,
        MODELS,
        PARAMETERS,
        CURVES,
        SAMPLES,
        SOURCES,
        EPOCHS,
        REJECTED,
        TRUTH,
    )
}
CATALOGUE = (SOURCES, EPOCHS, MODELS, PARAMETERS, MANIFEST, REJECTED)
"""Tables that are published, in the order of the FITS extensions."""
