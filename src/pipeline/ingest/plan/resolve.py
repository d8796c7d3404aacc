"""What only the archive as a whole can tell: responses, duplicates, and who is which source."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

import numpy as np

from pipeline.ingest.files.recognise import KINDS, is_power_spectrum
from pipeline.ingest.files.selection import path_of
from pipeline.ingest.missions import identity
from pipeline.ingest.plan import position
from pipeline.refusal import one_line
from pipeline.status import Flag, Status


def resolve(rows: Iterable[Mapping], group_by: str, radius: float = 10.0) -> list[dict]:
    """Complete the rows of a scan.

    Parameters
    ----------
    rows : iterable of mapping
        From `scan.scan_file`, one a file, in any order.
    group_by : str
        ``observation``, ``object`` or ``position``: what one source is.
    radius : float, optional
        Arcseconds within which positions are the same.

    Returns
    -------
    list of dict
        Rows of OBSERVATIONS in the order of their files. Every file that is worth reading has a source;
        so has a file that is not, if it is recognisably an observation and says of what.
    """
    rows = sorted((dict(row) for row in rows), key=lambda row: row["file"])
    _find_responses(rows)
    duplicates = _find_duplicates(rows)
    _name_sources([r for r in rows if r["status"] != Status.DUPLICATE], group_by, radius)
    for row, first in duplicates:
        row |= {key: first[key] for key in ("source_id", "observation_id")}
    if group_by == "object":
        twins = {source for pair in same_positions(rows, radius) for source in pair}
        for row in rows:
            if row["source_id"] in twins:
                row["flags"] = row.get("flags", 0) | int(Flag.SAME_POSITION)
    return rows


def _find_responses(rows) -> None:
    """Replace RESPFILE by the path of that file in the archive, in the spectrum's folder if it can.

    Where that is not there, the response that is called as the spectrum is takes its place.
    An event list gets one too: that which it names, or else the one of its instrument in its folder.
    """
    by_name, of_stem, matrices = defaultdict(list), defaultdict(list), defaultdict(list)
    for row in rows:
        by_name[PurePosixPath(row["file"]).name].append(row)
        if _is_response(row):
            of_stem[identity.stem(row["file"])].append(row)
        if _has_energies(row):
            matrices[_instrument(row)].append(row)
    for row in rows:
        named = row.get("response", "") or ""
        name = PurePosixPath(named).name
        row |= {"response": "", "response_version": ""}
        if row["kind"] == "events" and row["status"] == Status.OK:
            folder = _folder(row)
            found = [r for r in by_name[name] if _has_energies(r)] if name else []
            beside = [r for r in found or matrices[_instrument(row)] if _folder(r) == folder]
            chosen = beside if len(beside) == 1 else found if len(found) == 1 else []
            for response in chosen:
                row |= {"response": response["file"], "response_version": response["version"]}
            continue
        if row["kind"] != "spectrum" or row["status"] != Status.OK or named == path_of(row):
            continue
        folder = _folder(row)
        found = [*by_name[name], *by_name[f"{name}.gz"]] if name else []
        found.sort(key=lambda r: (_folder(r) != folder, r["file"]))
        responses = [r for r in found if _is_response(r)] or _namesake(row, of_stem)
        if not responses:
            reason = one_line(_no_response(name, found))
            row |= {"status": Status.MISSING_RESPONSE, "reason": reason}
        elif not is_power_spectrum(row["mission"], responses[0]["mission"]):
            row |= {
                "status": Status.SET_ASIDE,
                "kind": "other",
                "reason": f"an energy spectrum (its response is {responses[0]['mission']}'s own): "
                "not an observation",
            }
        else:
            row |= {
                "response": responses[0]["file"],
                "response_version": responses[0]["version"],
            }


def _is_response(row) -> bool:
    """Return whether a file is a response that can be used."""
    return row["kind"] == "response" and row["status"] == Status.SET_ASIDE


def _namesake(row, of_stem) -> list[dict]:
    """Return the response that is called as its spectrum is: beside it, or the only one elsewhere."""
    found = [r for r in of_stem[identity.stem(row["file"])] if not r.get("mission")]
    beside = [r for r in found if _folder(r) == _folder(row)]
    return beside if len(beside) == 1 else found if len(found) == 1 else []


def _has_energies(row) -> bool:
    """Return whether a file is a response with the energies of a detector's channels."""
    return _is_response(row) and bool(row.get("mission")) and row.get("hdu") == "EBOUNDS"


def _folder(row) -> PurePosixPath:
    return PurePosixPath(row["file"]).parent


def _instrument(row) -> tuple[str, str]:
    return row.get("mission", ""), row.get("instrument", "")


def _no_response(name, found) -> str:
    if not name:
        return "the spectrum names no response with its frequencies: set keyword RESPFILE"
    if found:
        return (
            f"keyword RESPFILE names {name}, but {found[0]['file']} is no usable response "
            f"({found[0].get('reason', '') or found[0]['kind']})"
        )
    return f"keyword RESPFILE names {name}, which is not in the archive: put it beside the spectrum"


_SAME = ("size", "kind", "mission", "instrument", "observation_id", "object", "mjd_start")


def alike(rows: Iterable[Mapping]) -> list[Mapping]:
    """Return those rows of a scan whose files may be copies of one another, by size and headers.

    Their checksums tell; of the others none has to be read for it.
    """
    groups = defaultdict(list)
    for row in rows:
        if row["kind"] in KINDS and row["status"] != Status.SET_ASIDE and row["version"]:
            groups[tuple(str(row[key]) for key in _SAME)].append(row)
    return [row for group in groups.values() if len(group) > 1 for row in group]


def _find_duplicates(rows) -> list[tuple[dict, dict]]:
    """Mark observations whose bytes are those of an earlier file; return each with that file."""
    first, duplicates = {}, []
    for row in rows:
        if row["kind"] not in KINDS or row["status"] == Status.SET_ASIDE or not row.get("sha256"):
            continue
        original = first.setdefault(
            (row["sha256"], row["response_version"], row.get("part", "")), row
        )
        if original is not row:
            reason = one_line(f"byte for byte the same as {original['file']}, which is used")
            row |= {"status": Status.DUPLICATE, "reason": reason}
            duplicates.append((row, original))
    return duplicates


def _name_sources(rows, group_by, radius) -> None:
    """Give rows their observation and their source, empty where they have none."""
    named = []
    for row in rows:
        row["source_id"] = ""
        observed = row["kind"] in KINDS and row["status"] != Status.SET_ASIDE
        if observed and (row["status"] == Status.OK or row["observation_id"] or row["object"]):
            named.append(row)
    observations = identity.observation_ids((row["file"], row["observation_id"]) for row in named)
    names = identity.sources_of_objects({row["object"] for row in named if row["object"]})
    objects = {row["file"]: names.get(row["object"], "") for row in named}
    if group_by == "position":
        objects = _by_position(named, objects, radius)
    for row in named:
        obs_id, row["observation_id"] = row["observation_id"], observations[row["file"]]
        if group_by != "observation" and objects[row["file"]]:
            row["source_id"] = objects[row["file"]]
        else:
            row["source_id"] = identity.source_of_observation(
                row["mission"], obs_id, row["observation_id"]
            )


def _by_position(rows, names, radius) -> dict[str, str]:
    """Return file to object, one name for all at the same position.

    That is the shortest of their names, or their designation; with the designation behind it where
    objects at several positions would have the same. A file without a position belongs to the one
    object that has its name.
    """
    placed = [row for row in rows if math.isfinite(row["ra"]) and math.isfinite(row["dec"])]
    ra, dec = (np.array([row[key] for row in placed], float) for key in ("ra", "dec"))
    members = defaultdict(list)
    for row, label in zip(placed, position.groups(ra, dec, radius), strict=True):
        members[label].append(row)
    called, of_name = {}, defaultdict(set)
    for label, group in members.items():
        own = {names[row["file"]] for row in group} - {""}
        called[label] = min(own, key=lambda name: (len(name), name), default="")
        for name in own:
            of_name[name].add(label)
    times = Counter(called.values())
    result = dict(names)
    for label, group in members.items():
        name = called[label]
        if not name or times[name] > 1:
            first = min((row["ra"], row["dec"]) for row in group)
            name = f"{name}@{position.designation(*first)}".removeprefix("@")
        called[label] = name
        result |= {row["file"]: name for row in group}
    for row in rows:
        labels = of_name[names[row["file"]]]
        if len(labels) == 1 and not math.isfinite(row["ra"] + row["dec"]):
            result[row["file"]] = called[next(iter(labels))]
    return result


def same_positions(rows: Iterable[Mapping], radius: float) -> list[tuple[str, str]]:
    """Return the pairs of sources that lie within a radius of one another, arcsec, in order."""
    placed = {}
    for row in rows:
        if row["source_id"] and math.isfinite(row["ra"]) and math.isfinite(row["dec"]):
            placed.setdefault((row["source_id"], row["ra"], row["dec"]))
    sources = [source for source, *_ in placed]
    ra, dec = (np.array([place[i] for place in placed], float) for i in (1, 2))
    pairs = {tuple(sorted((sources[i], sources[j]))) for i, j in position.close(ra, dec, radius)}
    return sorted((a, b) for a, b in pairs if a != b)
