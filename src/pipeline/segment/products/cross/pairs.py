"""Which observations make a cross spectrum: two bands of one source that were seen at the same time."""

from collections.abc import Iterator, Sequence
from itertools import combinations

from pipeline.segment.observation import Header


def pairs_of(headers: Sequence[Header]) -> Iterator[tuple[Header, Header]]:
    """Yield the pairs of bands of each observation, the harder band first.

    The two are of one source, observation and instrument, both events or both light curves of the same bins, and
    their bands do not overlap: a photon in both would be coherent with itself.
    """
    alike: dict[tuple, list[Header]] = {}
    for header in headers:
        key = (header.source_id, header.observation_id, header.kind, header.instrument)
        alike.setdefault((*key, header.dt if header.kind == "lightcurve" else 0.0), []).append(
            header
        )
    for some in alike.values():
        ordered = sorted(some, key=lambda header: (header.band_lo, header.band_hi, header.number))
        for softer, harder in combinations(ordered, 2):
            if softer.band_hi <= harder.band_lo:
                yield harder, softer
