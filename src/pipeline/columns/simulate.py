"""The table of what was injected into a simulated archive."""

from pipeline.columns.base import Column, Table
from pipeline.columns.fitted import BEND_FREQUENCY, QPO_FREQUENCY, QPO_FWHM, QPO_RMS, SLOPE
from pipeline.columns.shared import OBJECT

TRUTH = Table(
    "TRUTH",
    "What was injected into each source of a simulated archive; NaN where there is none.",
    (
        OBJECT,
        Column(
            "dialect",
            "str",
            "Form of the files: events, rate, power or kepler.",
            ucd="meta.code.class",
        ),
        Column(
            "kind",
            "str",
            "Shape of the spectrum: noise, power_law, bending_power_law or qpo.",
            ucd="meta.code.class",
        ),
        SLOPE,
        Column("slope_low", "float64", "Slope below the bend.", "", "stat.param"),
        Column(
            "amplitude",
            "float64",
            "Amplitude of a power law that does not bend: fractional rms squared per Hz at 1 Hz.",
            "1/Hz",
            "stat.fourier",
        ),
        BEND_FREQUENCY,
        Column(
            "floor_frequency",
            "float64",
            "The continuum is flat below this frequency, just below the lowest that is analysed.",
            "Hz",
            "em.freq",
        ),
        QPO_FREQUENCY,
        QPO_FWHM,
        QPO_RMS,
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
            "Number of undamaged files of the source, without copies.",
            ucd="meta.number;meta.file",
        ),
        Column(
            "damaged",
            "bool",
            "Whether a file that is damaged on purpose also names the source.",
            ucd="meta.code",
        ),
    ),
    key=("object",),
)
