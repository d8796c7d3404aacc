"""What was read of an observation: a row of the table INGEST."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pipeline.ingest.missions.identity import Identity
from pipeline.ingest.plan.shard import Entry
from pipeline.ingest.reject import Rejected
from pipeline.status import Flag, Status

_NO_FLAG = Flag(0)


def _empty() -> np.ndarray:
    return np.empty(0)


@dataclass(frozen=True)
class Observation:
    """An observation, or one product of it; a row of the table INGEST, which describes each column.

    A reader fills in the data; `of_entry` and `identified` what the plan and the header say.
    """

    source_id: str = ""
    observation_id: str = ""
    file: str = ""
    sha256: str = ""
    kind: str = ""
    mission: str = ""
    instrument: str = ""
    object: str = ""
    ra: float = math.nan
    dec: float = math.nan
    product: str = ""
    band_lo: float = math.nan
    band_hi: float = math.nan
    status: str = Status.OK
    flags: Flag = _NO_FLAG
    reason: str = ""
    time_system: str = ""
    mjd_ref: int = -1
    mjd_ref_frac: float = math.nan
    t_start: float = math.nan
    exposure: float = math.nan
    time: np.ndarray = field(default_factory=_empty)
    energy: np.ndarray = field(default_factory=_empty)
    dt: float = math.nan
    tick: float = math.nan
    rate: np.ndarray = field(default_factory=_empty)
    rate_err: np.ndarray = field(default_factory=_empty)
    fracexp: np.ndarray = field(default_factory=_empty)
    counting: bool = False
    n_dropped: int = 0
    background_rate: float = math.nan
    live_fraction: float = math.nan
    gti_start: np.ndarray = field(default_factory=_empty)
    gti_stop: np.ndarray = field(default_factory=_empty)
    frequency_lo: np.ndarray = field(default_factory=_empty)
    frequency_hi: np.ndarray = field(default_factory=_empty)
    power: np.ndarray = field(default_factory=_empty)
    power_err: np.ndarray = field(default_factory=_empty)
    n: np.ndarray = field(default_factory=_empty)
    noise: float = math.nan
    norm: str = ""

    def row(self) -> dict[str, Any]:
        """Return the row of INGEST."""
        return vars(self) | {"flags": int(self.flags)}

    def of_entry(self, entry: Entry) -> "Observation":
        """Return it with what a plan says of its file."""
        return replace(
            self,
            source_id=entry.source_id,
            observation_id=entry.observation_id,
            file=entry.file,
            kind=entry.kind,
        )

    def identified(self, who: Identity) -> "Observation":
        """Return it with what the header of its file says of who was observed."""
        return replace(
            self,
            mission=who.mission,
            instrument=who.instrument,
            object=who.object,
            ra=who.ra,
            dec=who.dec,
        )

    @classmethod
    def refused(cls, rejected: Rejected, product: str = "") -> "Observation":
        """Make one without data, with the status and the reason why there are none."""
        return cls(status=rejected.status, reason=rejected.reason, product=product)

    @classmethod
    def unread(cls, entry: Entry) -> "Observation":
        """Make one without data of an entry of a plan, with its status and its reason."""
        return cls(status=entry.status, reason=entry.reason).of_entry(entry)


def columns(observations: Sequence[Observation]) -> dict[str, list]:
    """Return the columns of INGEST of some observations, by name."""
    rows = [one.row() for one in observations]
    return {name: [row[name] for row in rows] for name in Observation().row()}
