"""No two purposes, spectra, models or steps share a stream of random numbers."""

import hashlib
import zlib

import numpy as np

from pipeline.fit.tables.seeds import Purpose, seed_words


def row(source_id, product="p"):
    return {"source_id": source_id, "product": product}


def test_streams_of_purposes_spectra_models_and_seeds_all_differ():
    words = [
        seed_words(seed, purpose, row(source, product), model)
        for seed in (1, 2)
        for purpose in Purpose
        for source in ("a", "a b", "b", "ab")
        for product in ("", "b", "b c")
        for model in ("c", "noise")
    ]
    # what stages append to them: the number of a plan, a component and a set of components
    words += [[*w, k] for w in words[:50] for k in range(3)]
    words += [[*w, s, k] for w in words[:50] for s in range(3) for k in (0, 7, 2**40)]
    first = {tuple(np.random.SeedSequence(w).generate_state(4)) for w in words}
    assert len(first) == len(words)


def test_a_spectrum_has_the_same_stream_in_every_shard_and_on_every_machine():
    words = seed_words(1, Purpose.DETECTION, row("GRS 1915+105", "spectrum"), "noise")
    digest = hashlib.sha256(b"12:GRS 1915+1058:spectrum5:noise").digest()
    assert words == [1, 4, *np.frombuffer(digest, "<u4")[:4].tolist()]


def test_spectra_that_a_checksum_of_32_bits_confused_are_told_apart():
    """Of a million names it gave about 116 pairs the same seed."""
    names, pairs = {}, []
    for k in range(200_000):
        name = f"J{k * 7919:010d}"
        other = names.setdefault(zlib.crc32(f"{name} p".encode()) >> 4, name)
        if other is not name:
            pairs.append((name, other))
    assert len(pairs) > 10
    for pair in pairs:
        one, two = (seed_words(1, Purpose.SAMPLES, row(name), "") for name in pair)
        assert one != two


def test_the_purposes_keep_their_numbers():
    assert {p.name: p.value for p in Purpose} == {
        "CRITERION": 1,
        "EVIDENCE": 2,
        "SAMPLES": 3,
        "DETECTION": 4,
        "OUTLIERS": 5,
    }
