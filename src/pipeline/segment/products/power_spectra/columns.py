"""The rows of SPECTRA: the only place where results become columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.columns.spectra import SPECTRA
from pipeline.refusal import Refusal
from pipeline.segment.members import Member
from pipeline.segment.observation import Header
from pipeline.segment.products.described import identity, of_members
from pipeline.segment.pulsations.pulses import NOT_SEARCHED, Pulses
from pipeline.segment.spectrum.rebin import Spectrum
from pipeline.segment.spectrum.variability import EXCESS_UNKNOWN, RMS_UNKNOWN, Excess, Rms
from pipeline.status import Flag, Status


@dataclass(frozen=True, kw_only=True)
class Timing:
    """What is known of an average of events or light curves, and not of a power spectrum that comes ready-made.

    Each field is a column of SPECTRA, except `excess` and `pulses`, which are several columns.
    """

    dt: float
    segment_size: float
    longest_interval: float
    taper: str
    detrend: str
    leakage_p: float
    stationarity_p: float
    m: int
    counts: float
    mean_rate: float
    background_rate: float
    excess: Excess = EXCESS_UNKNOWN
    pulses: Pulses = NOT_SEARCHED


@dataclass(frozen=True, kw_only=True)
class Averaged:
    """An averaged power spectrum.

    Attributes
    ----------
    members : sequence of Member
        The observations that were averaged, at least one.
    reason : str
        Remarks: which observations were not used, and why.
    flags : Flag
        Of the average and of its members.
    spectrum : Spectrum
        The bins.
    norm : str
        Their normalisation.
    noise : float
        Noise level in it; NaN if unknown.
    rms : Rms
        Fractional rms.
    timing : Timing or None
        None where the spectrum came ready-made.
    mark : str
        What is appended to the name of the product, where there are several lengths of segments.
    """

    members: Sequence[Member]
    reason: str
    flags: Flag
    spectrum: Spectrum
    norm: str
    noise: float
    rms: Rms = RMS_UNKNOWN
    timing: Timing | None = None
    mark: str = ""


Result = Averaged | Refusal


def row(result: Result, headers: Sequence[Header], mark: str) -> dict[str, Any]:
    """Return the row of an average, or of the reason why there is none.

    Parameters
    ----------
    result : Averaged or Refusal
        What became of the observations.
    headers : sequence of Header
        All observations that were to be averaged.
    mark : str
        Appended to the names of product and series.
    """
    first = result.members[0].header if isinstance(result, Averaged) else headers[0]
    cells = identity(SPECTRA, first)
    cells["series"] = first.product + mark
    if isinstance(result, Refusal):
        return cells | {
            "product": first.product + mark,
            "status": result.status,
            "reason": str(result),
            "flags": first.flags,
            "observation_ids": sorted({header.observation_id for header in headers}),
        }
    of_result = [member.header for member in result.members]
    cells |= {"product": first.product + result.mark + mark} | of_members(result.members)
    cells |= {
        "observation_ids": sorted({header.observation_id for header in of_result}),
        "n_dropped": sum(header.n_dropped for header in of_result),
        "status": Status.OK,
        "reason": result.reason,
        "flags": result.flags,
        "norm": result.norm,
        "noise": result.noise,
    }
    cells |= _measured("rms", result.rms.value, result.rms.err_lo, result.rms.err_hi)
    cells |= {"rms_limit": result.rms.limit} | vars(result.spectrum)
    return cells if result.timing is None else cells | _of_timing(result.timing)


def _of_timing(timing: Timing) -> dict[str, Any]:
    """Return the columns that only averages of events and light curves have."""
    cells = {name: value for name, value in vars(timing).items() if name not in _SEVERAL}
    pulses = timing.pulses
    frequency_err, fraction_err = pulses.frequency_err, pulses.fraction_err
    return (
        cells
        | {"excess_variance": timing.excess.value, "excess_variance_err": timing.excess.error}
        | _measured("pulse_frequency", pulses.frequency, frequency_err, frequency_err)
        | _measured("pulsed_fraction", pulses.fraction, fraction_err, fraction_err)
        | {"pulse_p_value": pulses.p_value, "pulse_h": pulses.h}
        | {"pulse_harmonics": pulses.harmonics}
    )


_SEVERAL = ("excess", "pulses")


def _measured(name: str, value: float, err_lo: float, err_hi: float) -> dict[str, float]:
    """Return the columns of a value and of its errors."""
    return {name: value, f"{name}_err_lo": err_lo, f"{name}_err_hi": err_hi}
