"""Tables between the stages that are altered, cut, emptied, exchanged or removed behind the back of a survey."""

import os
import shutil
from dataclasses import dataclass, field

import numpy as np
import pyarrow.parquet as pq
from _fault import Fault
from _survival import Ended

TABLES = {
    "observations": ("results/observations.parquet", ()),
    "plan": ("results/plan/shard-0000.tsv", ("ingest", "segment", "fit")),
    "ingest": ("results/ingest/shard-0000.parquet", ("segment", "fit")),
    "segment": ("results/segment/shard-0000.parquet", ("fit",)),
    "models": ("results/fit/shard-0000.models.parquet", ()),
    "parameters": ("results/fit/shard-0000.parameters.parquet", ()),
    "curves": ("results/fit/shard-0000.curves.parquet", ()),
    "samples": ("results/fit/shard-0000.samples.parquet", ()),
}
"""A file of each kind, and the stages after it whose tables of the shard are removed, so that it is read again."""


@dataclass
class Damage(Fault):
    """A table of a finished survey that is damaged, with the time that it had; what is made of it has to be made again.

    Attributes
    ----------
    table, kind : str
        Which table, and the name of the function of this module that damages it.
    seed : int
        Where it is damaged.
    """

    table: str = "ingest"
    kind: str = "flip"
    seed: int = 0
    family = "damaged table"
    expected = "found and made again, exit 0; nothing lost"
    codes: tuple = (0,)
    finished = True
    told: list = field(default_factory=list)

    def inject(self, place):
        """Damage the table and remove the catalogue, which makes the next run read it."""
        path, after = TABLES[self.table]
        path = place.survey / path
        about = path.stat()
        DAMAGES[self.kind](path, np.random.default_rng([18, self.seed]))
        if path.exists():
            os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
        for stage in after:
            for file in (place.results / stage).glob("shard-0000*"):
                file.unlink()
        shutil.rmtree(place.results / "catalog")
        return Ended(0, "")

    def resume(self, place):
        """Finish, and keep what it says."""
        ended = super().resume(place)
        self.told = [line for line in ended.output.splitlines() if path_of(self) in line][:1]
        return ended

    def more(self, place, seen):
        """Say what it said."""
        seen.notes += self.told or ["nothing is said of it"]


def path_of(fault):
    """Return the name of the file that is damaged."""
    return TABLES[fault.table][0].rpartition("/")[2]


def flip(path, rng):
    """Flip one bit."""
    data = bytearray(path.read_bytes())
    data[rng.integers(4, len(data) - 8)] ^= 1 << rng.integers(8)
    path.write_bytes(data)


def cut(path, rng):
    """Cut it short."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * rng.uniform(0.2, 0.95))])


def empty(path, rng):
    """Leave no byte."""
    path.write_bytes(b"")


def swap(path, rng):
    """Put the table of the other shard in its place."""
    other = path.with_name(path.name.replace("shard-0000", "shard-0001"))
    if other == path:
        raise ValueError(f"{path.name} is not of a shard")
    shutil.copy(other, path)


def lose(path, rng):
    """Take the last row away, with a sound file."""
    if path.suffix != ".parquet":
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(lines[:-1]))
        return
    table = pq.read_table(path)
    pq.write_table(table.slice(0, max(table.num_rows - 1, 0)), path)


def double(path, rng):
    """Repeat the first row, with a sound file."""
    if path.suffix != ".parquet":
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join([*lines, lines[-1]]))
        return
    import pyarrow as pa

    table = pq.read_table(path)
    pq.write_table(pa.concat_tables([table, table.slice(0, 1)]), path)


def remove(path, rng):
    """Remove it."""
    path.unlink()


DAMAGES = {one.__name__: one for one in (flip, cut, empty, swap, lose, double, remove)}


def faults():
    """Return them all."""
    found = []
    for number, table in enumerate(TABLES):
        for kind in DAMAGES:
            if (kind == "swap" and table == "observations") or (
                table == "samples" and kind in ("lose", "double")
            ):
                continue  # there is no other one, and there are no rows
            found.append(Damage(f"{table}-{kind}", table=table, kind=kind, seed=number))
    return found
