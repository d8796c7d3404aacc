"""The rows of OBSERVATIONS, a shard at a time."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog.spool import Spool
from pipeline.columns.observations import OBSERVATIONS
from pipeline.shards import shard_of
from pipeline.tables import batches_of, schema

NOWHERE = -1
"""Number of the shard of files that have no source."""

_SHARD = "shard"
_ROWS, _LIMIT = 1 << 15, 48 << 20


def by_shard(path: Path, shards: int, folder: Path) -> Iterator[pa.Table]:
    """Yield the rows without a source, and then those of the sources of each shard, ordered by file.

    Parameters
    ----------
    path : Path
        The table OBSERVATIONS.
    shards : int
        Number of shards.
    folder : Path
        Where rows go that do not fit into memory.
    """
    spool = Spool(folder, {OBSERVATIONS.name: (_SHARD, "file")}, _LIMIT)
    for rows in batches_of(path, OBSERVATIONS, rows=_ROWS):
        numbers = pa.array(_numbers(rows.column("source_id").combine_chunks(), shards))
        spool.add(OBSERVATIONS.name, rows.append_column(_SHARD, numbers))
    expected, none = NOWHERE, schema(OBSERVATIONS).empty_table()
    for block in spool.blocks(OBSERVATIONS.name):
        numbers = block.column(_SHARD).to_numpy()
        starts = np.flatnonzero(np.diff(numbers, prepend=NOWHERE - 1))
        for start, stop in zip(starts, np.append(starts[1:], numbers.size), strict=True):
            yield from [none] * (int(numbers[start]) - expected)
            yield block.slice(start, stop - start).drop_columns(_SHARD)
            expected = int(numbers[start]) + 1
    yield from [none] * (shards - expected)


def _numbers(sources: pa.Array, shards: int) -> np.ndarray:
    """Return the number of the shard of each source."""
    words = pc.dictionary_encode(sources)
    numbers = [shard_of(s, max(1, shards)) if s else NOWHERE for s in words.dictionary.to_pylist()]
    return np.array(numbers, np.int64)[words.indices.to_numpy()]
