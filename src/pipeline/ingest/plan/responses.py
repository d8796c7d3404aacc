"""The response file in the archive that belongs to a power spectrum or an event list."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath

from pipeline.ingest.files.recognise import is_power_spectrum
from pipeline.ingest.missions import identity
from pipeline.ingest.plan.found import FoundFile
from pipeline.refusal import one_line
from pipeline.status import Status


def assign_responses(files: Sequence[FoundFile]) -> None:
    """Replace RESPFILE in `response` by the path of the response in the archive, empty if there is none.

    A power spectrum gets the file of that name, in its own folder if there are several, or else the
    response that has the spectrum's own name; without one it cannot be read. An event list gets the file of
    that name, or else the only response of its instrument in its folder.
    """
    responses = _Responses(files)
    for one in files:
        named, one.response, one.response_version = one.response, "", ""
        if one.status != Status.OK:
            continue
        if one.kind == "events":
            _assign(one, responses.of_events(one, named))
        elif one.kind == "spectrum" and named != one.path:
            _assign_to_spectrum(one, named, responses)


class _Responses:
    """The files of an archive by name, and its responses by the name and the instrument they are for."""

    def __init__(self, files: Sequence[FoundFile]):
        self._by_name: dict[str, list[FoundFile]] = defaultdict(list)
        self._of_stem: dict[str, list[FoundFile]] = defaultdict(list)
        self._of_instrument: dict[tuple[str, str], list[FoundFile]] = defaultdict(list)
        for one in files:
            self._by_name[one.file.rpartition("/")[2]].append(one)
            if _is_response(one):
                self._of_stem[identity.stem(one.file)].append(one)
            if _has_energies(one):
                self._of_instrument[one.mission, one.instrument].append(one)

    def of_events(self, events: FoundFile, named: str) -> FoundFile | None:
        """Return the response of an event list, None if there is none or there are several."""
        name = PurePosixPath(named).name if named else ""
        found = [one for one in self._by_name[name] if _has_energies(one)] if name else []
        candidates = found or self._of_instrument[events.mission, events.instrument]
        if not candidates:
            return None
        beside = [one for one in candidates if _folder(one) == _folder(events)]
        return _only(beside) or _only(found)

    def named(self, spectrum: FoundFile, named: str) -> list[FoundFile]:
        """Return all files with the name in RESPFILE, those in the spectrum's folder first."""
        name = PurePosixPath(named).name
        found = [*self._by_name[name], *self._by_name[f"{name}.gz"]] if name else []
        return sorted(found, key=lambda one: (_folder(one) != _folder(spectrum), one.file))

    def of_same_name(self, spectrum: FoundFile) -> FoundFile | None:
        """Return the response with the name of a spectrum: in its folder, or the only one elsewhere."""
        found = [one for one in self._of_stem[identity.stem(spectrum.file)] if not one.mission]
        beside = [one for one in found if _folder(one) == _folder(spectrum)]
        return _only(beside) or _only(found)


def _only(files: Sequence[FoundFile]) -> FoundFile | None:
    """Return the one file of a list, None if there is none or there are several."""
    return files[0] if len(files) == 1 else None


def _assign(one: FoundFile, response: FoundFile | None) -> None:
    if response is not None:
        one.response, one.response_version = response.file, response.version


def _assign_to_spectrum(one: FoundFile, named: str, responses: _Responses) -> None:
    """Give a spectrum its response, or the reason why it has none or is no power spectrum."""
    found = responses.named(one, named)
    usable = [f for f in found if _is_response(f)]
    response = usable[0] if usable else responses.of_same_name(one)
    if response is None:
        one.status = Status.MISSING_RESPONSE
        one.reason = one_line(_no_response(PurePosixPath(named).name, found))
    elif not is_power_spectrum(one.mission, response.mission):
        one.status, one.kind = Status.SET_ASIDE, "other"
        one.reason = (
            f"an energy spectrum (its response is {response.mission}'s own): not an observation"
        )
    else:
        _assign(one, response)


def _is_response(one: FoundFile) -> bool:
    """Return whether a file is a response that can be used."""
    return one.kind == "response" and one.status == Status.SET_ASIDE


def _has_energies(one: FoundFile) -> bool:
    """Return whether a file is a response with the energies of a detector's channels."""
    return _is_response(one) and bool(one.mission) and one.hdu == "EBOUNDS"


def _folder(one: FoundFile) -> str:
    return one.file.rpartition("/")[0]


def _no_response(name: str, found: Sequence[FoundFile]) -> str:
    """Say why a power spectrum has no response."""
    if not name:
        return "the spectrum names no response with its frequencies: set keyword RESPFILE"
    if found:
        return (
            f"keyword RESPFILE names {name}, but {found[0].file} is no usable response "
            f"({found[0].reason or found[0].kind})"
        )
    return f"keyword RESPFILE names {name}, which is not in the archive: put it beside the spectrum"
