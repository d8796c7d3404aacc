"""The table of what was injected into a simulated archive."""

from pipeline.columns.base import Column, Table

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
