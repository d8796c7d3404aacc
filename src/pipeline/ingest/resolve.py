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
    """Replace RESPFILE by the path of that file in the archive, in the spectrum's folder if it can.

    An event list gets one too: that which it names, or else the one of its instrument in its folder.
    """
    by_name, matrices = defaultdict(list), defaultdict(list)
    for row in rows:
        by_name[PurePosixPath(row["file"]).name].append(row)
        if _has_energies(row):
            matrices[_instrument(row)].append(row)
    for row in rows:
        named = row.get("response", "") or ""
        name = PurePosixPath(named).name
        row |= {"response": "", "response_sha256": ""}
        if row["kind"] == "events" and row["status"] == Status.OK:
            folder = _folder(row)
            found = [r for r in by_name[name] if _has_energies(r)] if name else []
            beside = [r for r in found or matrices[_instrument(row)] if _folder(r) == folder]
            chosen = beside if len(beside) == 1 else found if len(found) == 1 else []
            for response in chosen:
                row |= {"response": response["file"], "response_sha256": response["sha256"]}
            continue
        if row["kind"] != "spectrum" or row["status"] != Status.OK or named == row["file"]:
            continue
        folder = _folder(row)
        found = [*by_name[name], *by_name[f"{name}.gz"]] if name else []
        found.sort(key=lambda r: (_folder(r) != folder, r["file"]))
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
                "response_sha256": responses[0]["sha256"],
            }


def _has_energies(row) -> bool:
    """Return whether a file is a response with the energies of a detector's channels."""
    return (
        row["kind"] == "response"
        and row["status"] == Status.SET_ASIDE
        and bool(row.get("mission"))
        and row.get("hdu") == "EBOUNDS"
    )


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


def _find_duplicates(rows) -> list[tuple[dict, dict]]:
    """Mark observations whose bytes are those of an earlier file; return each with that file."""
    first, duplicates = {}, []
    for row in rows:
        if row["kind"] not in KINDS or row["status"] == Status.SET_ASIDE or not row.get("sha256"):
            continue
        original = first.setdefault((row["sha256"], row["response_sha256"]), row)
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
