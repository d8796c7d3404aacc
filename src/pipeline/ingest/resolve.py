"""What only the archive as a whole can tell: responses, duplicates, and who is which source."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from pipeline.ingest import identity
from pipeline.ingest.recognise import KINDS, is_power_spectrum
from pipeline.ingest.reject import one_line
from pipeline.status import Status


def resolve(rows: Iterable[Mapping], group_by: str) -> list[dict]:
    """Complete the rows of a scan.

    Parameters
    ----------
    rows : iterable of mapping
        From `scan.scan_file`, one a file, in any order.
    group_by : str
        ``observation`` or ``object``: what one source is.

    Returns
    -------
    list of dict
        Rows of MANIFEST in the order of their files. Every file that is worth reading has a source;
        so has a file that is not, if it is recognisably an observation and says of what.
    """
    rows = sorted((dict(row) for row in rows), key=lambda row: row["file"])
    _find_responses(rows)
    duplicates = _find_duplicates(rows)
    _name_sources([r for r in rows if r["status"] != Status.DUPLICATE], group_by)
    for row, first in duplicates:
        row |= {key: first[key] for key in ("source_id", "observation_id")}
    return rows


def _find_responses(rows) -> None:
    """Replace RESPFILE by the path of that file in the archive, in the spectrum's folder if it can."""
    by_name = defaultdict(list)
    for row in rows:
        by_name[PurePosixPath(row["file"]).name].append(row)
    for row in rows:
        name = PurePosixPath(row.get("response", "") or "").name
        row |= {"response": "", "response_version": ""}
        if row["kind"] != "spectrum" or row["status"] != Status.OK:
            continue
        folder = PurePosixPath(row["file"]).parent
        found = [*by_name[name], *by_name[f"{name}.gz"]] if name else []
        found.sort(key=lambda r: (PurePosixPath(r["file"]).parent != folder, r["file"]))
        responses = [
            r for r in found if r["kind"] == "response" and r["status"] == Status.SET_ASIDE
        ]
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
        original = first.setdefault((row["sha256"], row["response_version"]), row)
        if original is not row:
            reason = one_line(f"byte for byte the same as {original['file']}, which is used")
            row |= {"status": Status.DUPLICATE, "reason": reason}
            duplicates.append((row, original))
    return duplicates


def _name_sources(rows, group_by) -> None:
    """Give rows their observation and their source, empty where they have none."""
    named = []
    for row in rows:
        row["source_id"] = ""
        observed = row["kind"] in KINDS and row["status"] != Status.SET_ASIDE
        if observed and (row["status"] == Status.OK or row["observation_id"] or row["object"]):
            named.append(row)
    observations = identity.observation_ids((row["file"], row["observation_id"]) for row in named)
    objects = identity.sources_of_objects({row["object"] for row in named if row["object"]})
    for row in named:
        obs_id, row["observation_id"] = row["observation_id"], observations[row["file"]]
        if group_by == "object" and row["object"]:
            row["source_id"] = objects[row["object"]]
        else:
            row["source_id"] = identity.source_of_observation(
                row["mission"], obs_id, row["observation_id"]
            )
