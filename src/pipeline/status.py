"""Status codes and flag bits: what became of an observation or a source, a sentence each.

A *status* says whether there is a result and, if not, why. A *flag* is a caveat on a result
that exists. No row is ever dropped for its status: it is carried to the catalogue.
"""

from enum import IntFlag, StrEnum


class Fault(StrEnum):
    """Who has to act."""

    NOBODY = "nobody"
    """There is nothing to mend."""
    INPUT = "input"
    """The file or the data in it."""
    CONFIG = "config"
    """The configuration of the survey."""
    PIPELINE = "pipeline"
    """This pipeline, or the machine it ran on."""


class Status(StrEnum):
    """What became of a file, an observation, or a source."""

    fault: Fault
    sentence: str

    def __new__(cls, value: str, fault: Fault = Fault.NOBODY, sentence: str = "") -> "Status":
        member = str.__new__(cls, value)
        member._value_ = value
        member.fault = fault
        member.sentence = sentence
        return member

    OK = "ok", Fault.NOBODY, "There is a result."
    SET_ASIDE = (
        "set_aside",
        Fault.NOBODY,
        (
            "The file is sound but holds no light curve, events or power spectrum (a response, an image)."
        ),
    )
    DUPLICATE = (
        "duplicate",
        Fault.NOBODY,
        ("The file is byte for byte the same as another one, which was used instead."),
    )
    UNREADABLE = "unreadable", Fault.INPUT, "The file could not be opened as what it claims to be."
    INACCESSIBLE = (
        "inaccessible",
        Fault.INPUT,
        (
            "The file was not there, was not to be read, or had changed; the next run looks at it again."
        ),
    )
    NOT_DOWNLOADED = (
        "not_downloaded",
        Fault.INPUT,
        ("The server of the archive did not give the file; running again tries again."),
    )
    UNRECOGNISED = (
        "unrecognised",
        Fault.INPUT,
        ("The file holds no table that is an event list, a light curve or a power spectrum."),
    )
    TRUNCATED = "truncated", Fault.INPUT, "The file ends before its header says it should."
    BAD_TIME = (
        "bad_time",
        Fault.INPUT,
        (
            "The times cannot be used: no time column, no finite time, no bin width, or a span that "
            "no observation has."
        ),
    )
    NO_DATA = "no_data", Fault.INPUT, "No events or bins are left inside the good time intervals."
    MISSING_RESPONSE = (
        "missing_response",
        Fault.INPUT,
        (
            "The power spectrum names a response file with its frequencies that is not in the archive."
        ),
    )
    TOO_SHORT = (
        "too_short",
        Fault.INPUT,
        ("No good time interval is as long as the shortest segment that the configuration allows."),
    )
    BAD_SPECTRUM = (
        "bad_spectrum",
        Fault.INPUT,
        ("The power spectrum has no bin with a positive power and a positive number of ordinates."),
    )
    WORKER_DIED = (
        "worker_died",
        Fault.PIPELINE,
        ("The process that worked on this item died (memory, or a crash in a library)."),
    )
    ERROR = "error", Fault.PIPELINE, "An unexpected error was caught; the reason column names it."
    NOT_CONVERGED = (
        "not_converged",
        Fault.PIPELINE,
        ("The fit used all its iterations; the values are the best that were found."),
    )
    AT_BOUND = (
        "at_bound",
        Fault.NOBODY,
        ("The fit converged with a parameter at its bound; its interval is open on that side."),
    )
    SINGULAR = (
        "singular",
        Fault.INPUT,
        (
            "The fit converged but its information matrix is not positive definite: errors, if any, are "
            "from the profile of the likelihood."
        ),
    )


MAY_HEAL = frozenset({Status.INACCESSIBLE, Status.NOT_DOWNLOADED})
"""Statuses of files that each run looks at again, though nothing has changed that it knows of."""

HAS_RESULT = frozenset({Status.OK, Status.NOT_CONVERGED, Status.AT_BOUND, Status.SINGULAR})
"""Statuses under which the fitted values of a source are filled in."""


class Flag(IntFlag):
    """Caveats, one bit each. Bits 53 to 62 are left to users of the catalogue: up to 52, JavaScript
    and other readers that keep numbers in double precision hold them exactly."""

    sentence: str

    def __new__(cls, value: int, sentence: str = "") -> "Flag":
        member = int.__new__(cls, value)
        member._value_ = value
        member.sentence = sentence
        return member

    CHECKSUM = (
        1 << 0,
        "A FITS checksum in the file does not match its bytes: the file was changed after it was written.",
    )
    NO_GTI = 1 << 1, "No good time intervals in the file: the span of the data was used."
    NOT_BARYCENTRED = 1 << 2, "Times are not corrected to the solar-system barycentre."
    UNSORTED = 1 << 3, "Times were not in order; they were sorted."
    NO_MJDREF = (
        1 << 4,
        "No reference epoch in the file: absolute times are unknown, frequencies are right.",
    )
    NO_TIMEDEL = 1 << 5, "No bin width in the header: taken from the spacing of the times."
    UNKNOWN_MISSION = 1 << 6, "The mission is not named or not known; OGIP defaults were used."
    NO_ENERGY = 1 << 7, "No energies: the configured band could not be applied."
    GAPS_FILLED = (
        1 << 8,
        "Gaps of at most `segment.max_gap` bins were filled by linear interpolation.",
    )
    FEW_SEGMENTS = 1 << 9, "Fewer segments than `segment.min_segments` were averaged."
    PARTIAL = 1 << 10, "Some of the source's observations or products could not be used."
    RMS_UNKNOWN = (
        1 << 11,
        "The mean count rate or the noise level is not known, so no rms can be given.",
    )
    GAUSSIAN = (
        1 << 12,
        "Fitted with the Gaussian likelihood: the number of averaged ordinates is not known.",
    )
    AT_BOUND = 1 << 13, "A parameter of the chosen model is at its bound."
    QPO_AMBIGUOUS = (
        1 << 14,
        "Another component with Q > 2 has at least half the rms of the one reported as the QPO.",
    )
    NO_P_VALUE = 1 << 15, "No calibrated p-value was computed for the QPO."
    BACKGROUND = 1 << 16, "A background rate was known and used in the rms normalisation."
    TIMES_DROPPED = (
        1 << 17,
        "Rows with a non-finite time or value, or marked bad in the file, were dropped.",
    )
    WHITE_NOISE_MODEL = (
        1 << 18,
        "The chosen model has no component beside the constant noise level.",
    )
    NO_EXCESS = (
        1 << 19,
        "Noise alone has as large a variance by chance (three errors): there is no rms, but an upper limit "
        "`rms_limit`; see the excess variance.",
    )
    QPO_BLEND = (
        1 << 20,
        "The QPO is a blend of overlapping Lorentzians, as from a drifting frequency: the frequency is their "
        "centroid.",
    )
    NON_STATIONARY = (
        1 << 21,
        "The power differs between segments, or between observations that were averaged, by more than chance: "
        "p-values and errors are too small.",
    )
    POOR_FIT = (
        1 << 22,
        "The chosen model does not describe the power spectrum: p of T_SSE is at most `fit.outliers.alpha`.",
    )
    DEAD_TIME = (
        1 << 23,
        "More than 1 % of the exposure is dead time (DEADC) that the rates are not corrected for.",
    )
    SAME_POSITION = (
        1 << 24,
        "Another source lies within `source.radius`: perhaps the same object under another name.",
    )
    POSTERIOR_UNMIXED = (
        1 << 25,
        "The chains of the posterior have not mixed (R-hat above 1.01, or fewer than 400 effective draws): "
        "its kept draws are not to be believed.",
    )
    WHOLE_FRAMES = (
        1 << 26,
        "Times of events are whole frames of the detector: bins hold a whole number of frames, which may "
        "make them longer than `segment.dt`.",
    )
    GTI_FROM_DATA = (
        1 << 27,
        "No good time intervals in the file, and gaps in the data far longer than chance allows: they "
        "were not counted as exposure.",
    )
    CLOCKS_DIFFER = (
        1 << 28,
        "Times and good time intervals of the file are on two clocks (MJDREF, TIMEZERO or column); they "
        "were brought to one.",
    )
    TIMES_ROUNDED = (
        1 << 29,
        "Times of the bins are rounded by a large part of a bin: they were put back on a regular grid.",
    )
    LINES_CUT = (
        1 << 30,
        "Single bins far above the bins on both sides, as of an instrumental line, were left out of the fit "
        "(`fit.lines`).",
    )
    INSIGNIFICANT_MEAN = (
        1 << 31,
        "The mean net rate is less than five times its error: a fraction of it means nothing, so there is no "
        "rms.",
    )
    QUALITY_UNKNOWN = (
        1 << 32,
        "It is not known which values of a quality column are good (`ingest.tables` can say it): the column "
        "was not used, or the more frequent of two values was taken as good.",
    )
    STAND_INS = (
        1 << 33,
        "Limits, words or numbers such as -999 that stand in place of values were left out.",
    )
    NOISE_TOO_HIGH = (
        1 << 34,
        "The power at high frequencies is below the noise level, as where errors are too large or there is "
        "dead time: the rms is too small.",
    )
    NOISE_ESTIMATED = (
        1 << 35,
        "The noise level that was subtracted from the power spectrum was estimated from its powers and errors.",
    )
    NOISE_UNKNOWN = (
        1 << 36,
        "The noise level of the power spectrum is not known: neither the file nor the configuration gives it,"
        " and its errors do not tell it.",
    )
    NORM_DOUBTFUL = (
        1 << 37,
        "Neither the power spectrum nor `ingest.spectrum_norm` gives its normalisation (Leahy's is assumed), "
        "or the given normalisation or noise level contradicts the powers, their errors or itself.",
    )
    OVERSAMPLED = (
        1 << 38,
        "Raw powers are not oversampled by the factor that `oversampling` says: neighbouring powers are more or "
        "less correlated than this factor makes them, or there are more independent powers than the light curve "
        "of the same source allows. Errors are wrong.",
    )
    UNRESOLVED = (
        1 << 39,
        "A peak of the chosen model is narrower than the frequency bins: its width is an upper limit.",
    )
    TOO_GOOD_FIT = (
        1 << 40,
        "The power scatters less about the chosen model than its number of ordinates or its errors say (p of "
        "T_SSE close to 1): errors are too large, or the powers were smoothed.",
    )
    QPO_UNTESTED = (
        1 << 41,
        "The p-value belongs to another peak than the QPO: see `qpo_p_component` and `qpo_p_frequency`.",
    )
    NAME_CUT = (
        1 << 42,
        "A name in the header (OBJECT, OBS_ID, TELESCOP, INSTRUME) has more than 128 characters: it is cut and ends "
        "in a hash of all of it; the reason of the file in OBSERVATIONS has all of it.",
    )
    ERRORS_FOLLOW_POWER = (
        1 << 43,
        "Only errors of the power are known, and they fluctuate with the power, which would make the fit too "
        "low: the fit used the variance of the model, or the errors of neighbouring bins (see "
        "`fit.likelihood`).",
    )
    OPEN_INTERVAL = (
        1 << 45,
        "The interval of a measured quantity has no end on one side: its error there is null, and its column "
        "`_limit` says what is known.",
    )
    COARSENED = (
        1 << 46,
        "The power spectrum had more bins than `segment.max_frequencies`: neighbours were averaged, and "
        "outliers kept apart.",
    )
    LEAKAGE = (
        1 << 47,
        "Power of low frequencies may have leaked to other frequencies, which makes slopes steeper than 2 "
        "look like 2: leakage was measured, or the power is that steep, or the slope is 2 within its error; "
        "no window is known to have been used (`segment.taper`).",
    )
    SHORT_SEGMENTS = (
        1 << 48,
        "A component is narrower than the frequency resolution or bends below the lowest frequency, and good "
        "time intervals hold segments twice as long: lengthen `segment.segment_size`.",
    )
    PULSATION = (
        1 << 49,
        "A strictly periodic signal, of a pulsar, a rotation or an instrument: see `pulse_frequency`. It is "
        "no QPO, and its frequencies were left out of the fit.",
    )
    QPO_IN_EPOCH = (
        1 << 50,
        "The average of the source's observations has no QPO, but one of them has: see the table EPOCHS.",
    )
    HIGH_PASSED = (
        1 << 51,
        "A high-pass filter has taken the power of the lowest frequencies, which were left out of the fit.",
    )
    UNDETERMINED = (
        1 << 52,
        "The data do not determine some parameters of the chosen model, as of a component that adds nothing: these "
        "have no errors.",
    )


def without(flags: int, unwanted: Flag) -> Flag:
    """Return flags less some; before Python 3.11.4 the inverse of a flag (``~``) has not all the others."""
    return Flag(int(flags) & ~int(unwanted))
