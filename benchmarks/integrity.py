"""Checksums and seals of tables: which damage is seen, and what they cost.

`flips` flips bits of a table of each kind, one at a time, reads it, and counts what was seen, what changed nothing, and
what gave other values. `bare` is the same without checksums of ours and of Parquet. `cost` is the CPU time of writing
and reading event lists of 100,000 events, where `floor` is PyArrow without checksums. `look` is what a run does before it starts.
"""

import json
import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.columns.fits import CURVES, MODELS, PARAMETERS
from pipeline.columns.ingest import INGEST
from pipeline.columns.observations import OBSERVATIONS
from pipeline.columns.samples import SAMPLES
from pipeline.columns.spectra import SPECTRA
from pipeline.config.survey import Survey
from pipeline.declared import RESULTS
from pipeline.intermediates import misfits
from pipeline.nulls import with_nulls
from pipeline.seals import DamagedTable, Origin, identifier, together
from pipeline.shards import shard_name
from pipeline.stages import FIT, PLAN, SEGMENT
from pipeline.stages import INGEST as READ
from pipeline.tables import (
    columns_to_arrow,
    empty_row,
    parquet_writer,
    read_parquet,
    stored_schema,
    unpacked,
    write_parquet,
)
from pipeline.workflow import outputs

KINDS = (OBSERVATIONS, INGEST, SPECTRA, MODELS, PARAMETERS, CURVES, SAMPLES)
FLIPS, ROWS, REPEATS = 400, 24, 7
LISTS, EVENTS, IN_A_GROUP = 100, 100_000, 5
SHARDS = 250


def some_rows(table, rng, count=ROWS):
    """Return rows with numbers and words in every column."""

    def cell(column, row):
        value = {"str": f"word {row % 5}", "bool": bool(row % 2)}.get(column.dtype, rng.normal())
        value = int(rng.integers(99)) if column.dtype.startswith("int") else value
        return [value] * 20 if column.array else value

    rows = [{c.name: cell(c, row) for c in table.columns} for row in range(count)]
    return [row | dict.fromkeys(table.key[:1], f"row {k}") for k, row in enumerate(rows)]


def flips(table, folder, rng):
    """Flip bits of a table, with and without checksums, and count what became of them."""
    path, bare = folder / "sealed.parquet", folder / "bare.parquet"
    write_parquet(path, table, some_rows(table, rng), origin=Origin("stage", "shard-0000"))
    good = read_parquet(path, table)
    pq.write_table(pq.read_table(path).replace_schema_metadata(), bare, compression="zstd")
    for name, file in (("flips", path), ("bare", bare)):
        whole, counts = file.read_bytes(), {"seen": 0, "same": 0, "other": 0}
        for place in rng.integers(0, len(whole), FLIPS).tolist():
            altered = bytearray(whole)
            altered[place] ^= 1 << int(rng.integers(8))
            file.write_bytes(altered)
            outcome = "seen"
            with suppress(DamagedTable, ValueError, pa.ArrowException, OSError):
                outcome = "same" if read_parquet(file, table).equals(good) else "other"
            counts[outcome] += 1
        yield {"benchmark": "integrity", "workload": name, "table": table.name, **counts}


def cpu(functions):
    """Return the CPU time of calls, s, by name: the medians of some in turns."""
    times = {name: [] for name in functions}
    for _ in range(REPEATS):
        for name, function in functions.items():
            start = os.times()
            function()
            stop = os.times()
            times[name].append(stop.user + stop.system - start.user - start.system)
    return {name: round(median(found), 4) for name, found in times.items()}


def cost(folder, rng):
    """Return what it costs to write and read event lists."""
    ours, floor = folder / "ours.parquet", folder / "floor.parquet"
    groups = [
        columns_to_arrow(
            INGEST,
            {
                "file": [f"{first + k}" for k in range(IN_A_GROUP)],
                "source_id": [f"s{first + k}" for k in range(IN_A_GROUP)],
                "time": [np.sort(rng.random(EVENTS)) * 1024 for _ in range(IN_A_GROUP)],
            },
        )
        for first in range(0, LISTS, IN_A_GROUP)
    ]
    numbers = [c.name for c in INGEST.columns if c.array and c.dtype.startswith("float")]
    encoding = {
        "compression": "zstd",
        "use_dictionary": [name for name in INGEST.names if name not in numbers],
        "use_byte_stream_split": [f"{name}.list.element" for name in sorted(numbers)],
        "write_statistics": [c.name for c in INGEST.columns if not c.array],
    }

    def write_ours():
        with parquet_writer(ours, INGEST) as write:
            for group in groups:
                write(group)

    def write_floor():
        with pq.ParquetWriter(floor, stored_schema(INGEST), **encoding) as writer:
            for group in groups:
                writer.write_table(with_nulls(INGEST, group))

    found = cpu({"write": write_ours, "write_floor": write_floor})
    found |= cpu(
        {
            "read": lambda: read_parquet(ours, INGEST, ["time"]),
            "read_floor": lambda: unpacked(INGEST, pq.ParquetFile(floor).read(["time"])),
        }
    )
    return {"benchmark": "integrity", "workload": "cost", "unit": "s", "lists": LISTS, **found}


def look(folder):
    """Return what a run of many shards does before it starts."""
    survey, lists = Survey(archive="archive", shards=SHARDS), []
    for shard in map(shard_name, range(SHARDS)):
        listed = folder / RESULTS / "plan" / f"{shard}.tsv"
        listed.parent.mkdir(parents=True, exist_ok=True)
        rows = "".join(f'"source {k}"\t"a/path/to/a/file/of/the/archive/{k}"\n' for k in range(100))
        listed.write_text('"source_id"\t"file"\n' + rows)
        lists.append(identifier(listed))
        above, name = lists[-1], "plan"
        for stage in (READ, SEGMENT, FIT):
            made = []
            for file in outputs(stage, survey).values():
                path = folder / file.pattern(survey).format(shard=shard)
                row = empty_row(file.table) | dict.fromkeys(file.table.key[:1], shard)
                origin = Origin(stage.name, shard, stage.recipe(survey), {name: above})
                write_parquet(path, file.table, [row], origin=origin)
                made.append(path)
            above, name = identifier(made[0]), "input"
    path = folder / PLAN.written(OBSERVATIONS).pattern(survey)
    origin = Origin("plan", "", PLAN.recipe(survey), {"plan": together(lists)})
    write_parquet(path, OBSERVATIONS, [], origin=origin)
    assert misfits(survey, folder) == []
    tables = sum(1 for _ in folder.rglob("*.parquet"))
    seconds = cpu({"seconds": lambda: misfits(survey, folder)})
    return {"benchmark": "integrity", "workload": "look", "tables": tables, **seconds}


def main():
    """Run all."""
    rng = np.random.default_rng(15)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(json.dumps(cost(folder, rng)), flush=True)
        print(json.dumps(look(folder)), flush=True)
        for table in KINDS:
            for line in flips(table, folder, rng):
                print(json.dumps(line), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
