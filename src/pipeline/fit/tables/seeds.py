"""Seeds: one stream of random numbers for each purpose, spectrum and model."""

import hashlib
from enum import IntEnum

WORDS = 4
"""Words of 32 bits of a hash: of a million spectra two are equal with a probability of 10^-27."""


class Purpose(IntEnum):
    """What random numbers are for. A number once used keeps its meaning: catalogues can be made again."""

    CRITERION = 1
    EVIDENCE = 2
    SAMPLES = 3
    DETECTION = 4
    OUTLIERS = 5


def seed_words(seed, purpose, row, model) -> list[int]:
    """Return the entropy of a stream, as `numpy.random.SeedSequence` takes it.

    It depends on nothing else: not on the shard, the batch, or the other models. Who needs several streams
    appends a word for each.

    Parameters
    ----------
    seed : int
        Of the configuration.
    purpose : Purpose
        What the numbers are for.
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
