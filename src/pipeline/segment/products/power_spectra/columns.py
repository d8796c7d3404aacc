"""The rows of SPECTRA: the only place where results become columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.columns.spectra import SPECTRA
from pipeline.refusal import Refusal
from pipeline.segment.observation import Header, Observation, all_flags
from pipeline.segment.products.base import IDENTITY, NO_FLAG
from pipeline.segment.pulses import NOT_SEARCHED, Pulses
from pipeline.segment.rebin import Spectrum
from pipeline.segment.variability import EXCESS_UNKNOWN, RMS_UNKNOWN, Excess, Rms
from pipeline.status import Flag, Status
from pipeline.tables import empty_row


@dataclass(frozen=True)
class Member:
    """An observation that was averaged: what is kept of it when its arrays are no longer needed.

    Attributes
    ----------
    header : Header
        Its scalars.
    mjd_stop : float
        Its end (MJD); NaN if unknown.
    flags : Flag
        Flags of the observation and of what was done with it.
    """

    header: Header
    mjd_stop: float
    flags: Flag

    @classmethod
    def of(cls, observation: Observation, flags: Flag = NO_FLAG) -> "Member":
        """Return what is kept of an observation, with more flags."""
        header = observation.header
        return cls(header, observation.mjd_stop, Flag(header.flags) | flags)


@dataclass(frozen=True, kw_only=True)
class Timing:
    """What is known of an average of events or light curves, and not of a power spectrum that comes ready-made.

    The fields are columns of SPECTRA, but for `excess` and `pulses`, which are several.
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
        Those of the average; the members have their own.
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
    cells = empty_row(SPECTRA) | {name: getattr(first, name) for name in IDENTITY}
    cells["series"] = first.product + mark
    if isinstance(result, Refusal):
        return cells | {
            "product": first.product + mark,
            "status": result.status,
            "reason": str(result),
            "flags": first.flags,
            "observation_ids": sorted({header.observation_id for header in headers}),
        }
    cells |= {"product": first.product + result.mark + mark} | _of_members(result.members)
    cells |= {
        "status": Status.OK,
        "reason": result.reason,
        "flags": result.flags | all_flags(member.flags for member in result.members),
        "norm": result.norm,
        "noise": result.noise,
    }
    cells |= _measured("rms", result.rms.value, result.rms.err_lo, result.rms.err_hi)
    cells |= {"rms_limit": result.rms.limit} | vars(result.spectrum)
    return cells if result.timing is None else cells | _of_timing(result.timing)


def _of_members(members: Sequence[Member]) -> dict[str, Any]:
    """Return the columns that say which observations were averaged."""
    headers = [member.header for member in members]
    return {
        "observation_ids": sorted({header.observation_id for header in headers}),
        "n_observations": len(headers),
        "mjd_start": np.min([header.mjd_start for header in headers]),
        "mjd_stop": np.max([member.mjd_stop for member in members]),
        "exposure": sum(header.exposure for header in headers),
        "n_dropped": sum(header.n_dropped for header in headers),
    }


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
