"""Seeds: one stream of random numbers for each purpose, spectrum and model."""

import hashlib
from collections.abc import Mapping
from enum import IntEnum

WORDS = 4
"""Words of 32 bits of a hash: of a million spectra two are equal with a probability of 10^-27."""


class Purpose(IntEnum):
    """Purpose of random numbers. A number keeps its meaning for ever: catalogues can be made again."""

    CRITERION = 1
    EVIDENCE = 2
    SAMPLES = 3
    DETECTION = 4
    OUTLIERS = 5


def seed_words(seed: int, purpose: Purpose, row: Mapping, model: str) -> list[int]:
    """Return the entropy of a stream, as `numpy.random.SeedSequence` takes it.

    It depends on nothing else: not on the shard, the batch, or the other models. For several streams append one
    word each.

    Parameters
    ----------
    seed : int
        Of the configuration.
    purpose : Purpose
        Purpose of the numbers.
    row : mapping
        ``source_id`` and ``product``.
    model : str
        Name of the model.
    """
    names = (row["source_id"], row["product"], model)
    text = "".join(f"{len(name)}:{name}" for name in names)  # no two triples give one text
    digest = hashlib.sha256(text.encode()).digest()
    words = [int.from_bytes(digest[4 * k : 4 * k + 4], "little") for k in range(WORDS)]
    return [seed, int(purpose), *words]
