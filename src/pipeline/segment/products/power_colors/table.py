"""The table of the variances in fixed bands of frequency, of the power colours and of the hue."""

from pipeline.columns.base import Column, Table, with_errors
from pipeline.columns.power import (
    BACKGROUND_RATE,
    DT,
    EPOCH,
    LEAKAGE_P,
    MEAN_RATE,
    SEGMENT_SIZE,
    STATIONARITY_P,
    M,
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


def _of_bands(name: str, description: str, unit: str = "", ucd: str = "src.var") -> Column:
    """Return a column with an element a band."""
    return Column(name, "float64", description, unit, ucd, array=True, vector=True)


def _color(number: int, top: str, bottom: str) -> tuple[Column, ...]:
    """Return the columns of a power colour."""
    name = f"power_color_{number}"
    return (
        *with_errors(
            Column(
                name,
                "float64",
                f"Variance in the {top} band over that in the {bottom}; null where one is not measured.",
                ucd="src.var;arith.ratio",
            )
        ),
        Column(
            f"{name}_limit",
            "float64",
            f"95 % limit of {name}, where one of the two variances is not measured.",
            ucd="stat.value;src.var;arith.ratio",
        ),
        Column(
            f"{name}_limit_is_lower",
            "bool",
            f"Whether the limit of {name} is a lower one: where the variance in the {bottom} band is not measured.",
            ucd="meta.code",
            of=f"{name}_limit",
        ),
    )


POWER_COLORS = Table(
    "POWER_COLORS",
    "Fractional rms in four bands of frequency, power colours and hue: a row a source and product.",
    (
        *OF_PRODUCT,
        *(STATUS, FLAGS, REASON, EPOCH, N_OBSERVATIONS, MJD_START, MJD_STOP, EXPOSURE),
        *(DT, SEGMENT_SIZE, M, MEAN_RATE, BACKGROUND_RATE, LEAKAGE_P, STATIONARITY_P),
        _of_bands("range_lo", "Lower edge of each band.", "Hz", "em.freq;stat.min"),
        _of_bands("range_hi", "Upper edge of each band.", "Hz", "em.freq;stat.max"),
        Column(
            "range_status",
            "str",
            "Of each band: measured, no_excess, too_short (segments), too_coarse (bins), few_ordinates.",
            ucd="meta.code.status",
            array=True,
        ),
        _of_bands(
            "range_variance",
            "Fractional variance in each band, noise subtracted; negative by chance. Its errors cover also where "
            "there is no excess.",
        ),
        _of_bands("range_variance_err_lo", "Lower 68.3 % error of it.", ucd="stat.error;src.var"),
        _of_bands("range_variance_err_hi", "Upper 68.3 % error of it.", ucd="stat.error;src.var"),
        _of_bands(
            "range_rms", "Fractional rms in each band, where measured.", ucd="src.var.amplitude"
        ),
        _of_bands(
            "range_rms_err_lo", "Lower 68.3 % error of it.", ucd="stat.error;src.var.amplitude"
        ),
        _of_bands(
            "range_rms_err_hi", "Upper 68.3 % error of it.", ucd="stat.error;src.var.amplitude"
        ),
        _of_bands(
            "range_rms_limit",
            "95 % upper limit of it, where there is no excess.",
            ucd="src.var.amplitude;stat.max",
        ),
        _of_bands(
            "range_ordinates",
            "Independent ordinates that the power in each band is worth.",
            ucd="meta.number",
        ),
        *_color(1, "third", "first"),
        *_color(2, "second", "fourth"),
        *with_errors(
            Column(
                "hue",
                "float64",
                "Angle of the power colours about the centre of Heil et al. 2015, clockwise; null where "
                "every angle is possible.",
                "deg",
                "pos.posAng",
            )
        ),
    ),
    key=("source_id", "product"),
)
