"""The shards that sources are spread over, and their names."""

import hashlib
from pathlib import Path


def shard_of(source_id: str, shards: int) -> int:
    """Return the shard of a source: a hash of its name, the same on every machine."""
    return int.from_bytes(hashlib.sha256(source_id.encode()).digest()[:8], "big") % shards


def shard_name(index: int) -> str:
    """Return the name of a shard in file names: ``shard-0003``."""
    return f"shard-{index:04d}"


def shard_lists(plan: Path) -> list[Path]:
    """Return the lists of the shards in the folder that `plan` writes, in order."""
    return sorted(plan.glob("shard-*.tsv"))


def has_sources(shard_list: Path) -> bool:
    """Return whether the list of a shard has an entry; the first line has the names of its columns."""
    with open(shard_list, "rb") as file:
        file.readline()
        return bool(file.read(1))
