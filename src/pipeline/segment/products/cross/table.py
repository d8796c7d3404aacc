"""The table of cross spectra."""

from pipeline.columns.base import Column, Table
from pipeline.columns.power import (
    DT,
    EPOCH,
    FREQUENCY,
    FREQUENCY_HI,
    FREQUENCY_LO,
    MEAN_RATE,
    NOISE,
    NORM,
    POWER,
    SEGMENT_SIZE,
    M,
    N,
)
from pipeline.columns.shared import (
    EXPOSURE,
    FLAGS,
    MJD_START,
    MJD_STOP,
    N_OBSERVATIONS,
    OF_PRODUCT,
    REASON,
    STATUS,
)


def _of_bins(name: str, description: str, unit: str = "", ucd: str = "stat.fourier") -> Column:
    """Return a column with an element a bin of frequency."""
    return Column(name, "float64", description, unit, ucd, array=True)


def _number(name: str, description: str, unit: str = "", ucd: str = "stat.fourier") -> Column:
    """Return a column of numbers."""
    return Column(name, "float64", description, unit, ucd)


CROSS = Table(
    "CROSS",
    "Cross spectra of two energy bands: a row a source and pair of bands. C = <X* Y>, X of the harder band, Y of the "
    "softer one, the reference; a positive lag says that the harder band comes later.",
    (
        *OF_PRODUCT,
        _number("ref_band_lo", "Lower edge of the band of reference.", "keV", "em.energy;stat.min"),
        _number("ref_band_hi", "Upper edge of the band of reference.", "keV", "em.energy;stat.max"),
        *(STATUS, FLAGS, REASON, EPOCH, N_OBSERVATIONS, MJD_START, MJD_STOP, EXPOSURE),
        *(DT, SEGMENT_SIZE, M),
        MEAN_RATE,
        _number(
            "ref_mean_rate",
            "Mean rate of the band of reference in them.",
            "ct/s",
            "phot.count;stat.mean",
        ),
        NORM,
        NOISE,
        _number("ref_noise", "Expected noise level of ref_power; null if unknown."),
        FREQUENCY,
        FREQUENCY_LO,
        FREQUENCY_HI,
        N,
        POWER,
        _of_bins("ref_power", "Power of the band of reference in each bin, noise level included."),
        _of_bins("cross_real", "Real part of the cross spectrum, the cospectrum."),
        _of_bins("cross_imag", "Imaginary part of the cross spectrum, the quadrature spectrum."),
        _of_bins(
            "coherence",
            "Squared raw coherence |C|^2 / (power x ref_power), noise not subtracted.",
            ucd="stat.correlation",
        ),
        _of_bins(
            "coherence_lo",
            "Lower end of the 68.3 % interval of the true raw coherence.",
            ucd="stat.correlation;stat.min",
        ),
        _of_bins(
            "coherence_hi",
            "Upper end of the 68.3 % interval of the true raw coherence.",
            ucd="stat.correlation;stat.max",
        ),
        _of_bins(
            "coherence_limit",
            "95 % upper limit of the true raw coherence.",
            ucd="stat.correlation;stat.max",
        ),
        _of_bins(
            "coherence_p",
            "Probability of at least this coherence between bands that are not coherent.",
            ucd="stat.probability",
        ),
        _of_bins(
            "phase_lag",
            "Phase by which the harder band lags the reference; null where coherence_p is above 0.05.",
            "rad",
            "time.phase;stat.fourier",
        ),
        _of_bins(
            "phase_lag_err",
            "68.3 % error of it; null where every phase is possible.",
            "rad",
            "stat.error;time.phase",
        ),
        _of_bins(
            "time_lag",
            "Phase lag over 2 pi frequency, from -1/2 to 1/2 period.",
            "s",
            "time.interval",
        ),
        _of_bins("time_lag_err", "68.3 % error of it.", "s", "stat.error;time.interval"),
    ),
    key=("source_id", "product"),
)
