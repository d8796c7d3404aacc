"""The source of each observation: the observation itself, its object, or its position."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from pipeline.ingest.files.recognise import KINDS
from pipeline.ingest.missions import identity
from pipeline.ingest.plan import position
from pipeline.ingest.plan.found import FoundFile
from pipeline.status import Status


def assign_sources(files: Iterable[FoundFile], group_by: str, radius: float) -> None:
    """Fill in the observation and the source of files; the source stays empty for a file that has none.

    Parameters
    ----------
    files : iterable of FoundFile
        Changed in place.
    group_by : str
        What makes one source: ``observation``, ``object`` or ``position``.
    radius : float
        Arcseconds within which positions are the same.
    """
    observed = []
    for one in files:
        one.source_id = ""
        is_observation = one.kind in KINDS and one.status != Status.SET_ASIDE
        if is_observation and (one.status == Status.OK or one.observation_id or one.object):
            observed.append(one)
    observations = identity.observation_ids((one.file, one.observation_id) for one in observed)
    names = identity.sources_of_objects({one.object for one in observed if one.object})
    objects = {one.file: names.get(one.object, "") for one in observed}
    if group_by == "position":
        objects = _objects_by_position(observed, objects, radius)
    for one in observed:
        obs_id, one.observation_id = one.observation_id, observations[one.file]
        if group_by != "observation" and objects[one.file]:
            one.source_id = objects[one.file]
        else:
            one.source_id = identity.source_of_observation(one.mission, obs_id, one.observation_id)


def _objects_by_position(
    files: Sequence[FoundFile], names: dict[str, str], radius: float
) -> dict[str, str]:
    """Return the object of each file, by its path; all files at one position are of one object.

    The object is called by the shortest of the names at its position, or by the designation of the position
    if there is no name; the designation is added where objects at several positions would have the same
    name. A file without a position is of the one object that has its name.
    """
    placed = [one for one in files if _has_position(one)]
    labels = position.groups(_column(placed, "ra"), _column(placed, "dec"), radius).tolist()
    members: dict[int, list[FoundFile]] = defaultdict(list)
    own_names: dict[int, set[str]] = defaultdict(set)
    for one, label in zip(placed, labels, strict=True):
        members[label].append(one)
        own_names[label] |= {names[one.file]} - {""}
    called = _names_of_groups(members, own_names)
    result = dict(names)
    for label, group in members.items():
        result |= {one.file: called[label] for one in group}
    of_name = defaultdict(set)
    for label, own in own_names.items():
        for name in own:
            of_name[name].add(label)
    for one in files:
        places = of_name[names[one.file]]
        if len(places) == 1 and not _has_position(one):
            result[one.file] = called[next(iter(places))]
    return result


def _names_of_groups(
    members: dict[int, list[FoundFile]], own_names: dict[int, set[str]]
) -> dict[int, str]:
    """Return the name of the object of each group of files at one position."""
    shortest = {
        label: min(own_names[label], key=lambda name: (len(name), name), default="")
        for label in members
    }
    times = Counter(shortest.values())
    called = {}
    for label, group in members.items():
        name = shortest[label]
        if not name or times[name] > 1:
            first = min((one.ra, one.dec) for one in group)
            name = f"{name}@{position.designation(*first)}".removeprefix("@")
        called[label] = name
    return called


def same_positions(files: Iterable[FoundFile], radius: float) -> list[tuple[str, str]]:
    """Return the pairs of sources that lie within a radius of one another, arcsec, in order."""
    placed = list(
        {
            (one.source_id, one.ra, one.dec): one
            for one in files
            if one.source_id and _has_position(one)
        }.values()
    )
    close = position.close(_column(placed, "ra"), _column(placed, "dec"), radius)
    pairs = {tuple(sorted((placed[i].source_id, placed[j].source_id))) for i, j in close.tolist()}
    return sorted((a, b) for a, b in pairs if a != b)


def _has_position(one: FoundFile) -> bool:
    return math.isfinite(one.ra) and math.isfinite(one.dec)


def _column(files: Sequence[FoundFile], name: str) -> np.ndarray:
    return np.array([getattr(one, name) for one in files], dtype=float)
