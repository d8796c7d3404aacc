"""An open file, and what reading the observation in it needs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.config.ingest import IngestOptions
from pipeline.ingest.archive.copies import Copies
from pipeline.ingest.hdu import Hdu
from pipeline.ingest.missions import identity
from pipeline.ingest.missions.identity import Identity
from pipeline.ingest.plan.shard import Entry


@dataclass(frozen=True)
class Opened:
    """An open file, the table of its data, and all that reading the table needs.

    Attributes
    ----------
    hdus : sequence of Hdu
        All HDUs, the primary one first.
    index : int
        Number of the HDU with the data.
    who : Identity
        The observation, by its headers.
    entry : Entry
        The line of the plan.
    archive : Path or Copies
        Folder of the archive, or where the copies of a remote archive are.
    options : IngestOptions
        How to read.
    energies : bool
        Whether the energies of events are wanted.
    """

    hdus: Sequence[Hdu]
    index: int
    who: Identity
    entry: Entry
    archive: Path | Copies
    options: IngestOptions
    energies: bool = True

    @property
    def hdu(self) -> Hdu:
        """The HDU with the data."""
        return self.hdus[self.index]

    @property
    def place(self) -> str:
        """The HDU with the data, as a reason names it."""
        return f"HDU {self.index} ({identity.bounded(self.hdu.name)})"

    def with_table(self, hdu: Hdu) -> "Opened":
        """Return the file with another table of data."""
        hdus = [*self.hdus[: self.index], hdu, *self.hdus[self.index + 1 :]]
        return replace(self, hdus=hdus)

    def product(self, label: str = "", dt: float = 0.0) -> str:
        """Return the name of a product of the file; see `identity.product`."""
        return identity.product(self.entry.kind, self.who.mission, self.who.instrument, label, dt)
