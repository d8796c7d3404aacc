"""Names: of the observed object, the mission and the observation, and of the source and the product."""

import hashlib
import itertools
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from pipeline.ingest.keyword import number

LONGEST = 128
"""Most characters of a name from a header: a FITS card has 68, and names of two cards are in use."""
_NOTED = 1 << 14
_NOTHING = frozenset({"", "none", "unknown", "n/a", "na", "null", "undefined"})
_KEYS = ("TELESCOP", "MISSION", "INSTRUME", "OBS_ID", "OBJECT")
_POSITIONS = (
    ("RA_OBJ", "DEC_OBJ"),
    ("RA_TARG", "DEC_TARG"),
    ("RA_NOM", "DEC_NOM"),
    ("RA_PNT", "DEC_PNT"),
)
_COMPRESSED = frozenset({".gz", ".z", ".bz2", ".xz"})
_ABBREVIATED = re.compile(r"[0-9]{4}[+-][0-9]{2}$")
_LONG_NUMBER = re.compile(r"(?<![0-9.])[0-9]{5,}(?![0-9.])")


@dataclass(frozen=True)
class Identity:
    """The names and the position in a header; text is empty, numbers are NaN, where it says nothing.

    Attributes
    ----------
    mission, instrument : str
        In lower case.
    obs_id : str
        OBS_ID.
    object : str
        OBJECT, as the file spells it.
    ra, dec : float
        Position, deg.
    note : str
        The whole text of the keywords whose text is too long for a name; else empty.
    """

    mission: str = ""
    instrument: str = ""
    obs_id: str = ""
    object: str = ""
    ra: float = math.nan
    dec: float = math.nan
    note: str = ""


def identify(header: Mapping[str, Any], primary: Mapping[str, Any]) -> Identity:
    """Read the names and the position of an observation from the header of its table, else from the primary one.

    Names longer than `LONGEST` are `bounded`; the note has all of them.
    """
    text = {key: _text(header, primary, key) for key in _KEYS}
    name = {key: bounded(value) for key, value in text.items()}
    ra, dec = _position(header, primary)
    return Identity(
        mission=(name["TELESCOP"] or name["MISSION"]).lower(),
        instrument=name["INSTRUME"].lower().replace("/", "-"),
        obs_id="" if set(name["OBS_ID"]) <= {"0"} else name["OBS_ID"],
        object=name["OBJECT"],
        ra=ra,
        dec=dec,
        note="; ".join(_note(key, value) for key, value in text.items() if len(value) > LONGEST),
    )


def bounded(text: str) -> str:
    """Return a name of at most `LONGEST` characters, which UTF-8 can hold.

    Of a longer one the beginning is kept, and a hash of all of it tells it from others that begin alike.
    """
    text = text.encode(errors="backslashreplace").decode()
    if len(text) <= LONGEST:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return f"{text[: LONGEST - 13]}~{digest}"


def _note(key: str, text: str) -> str:
    """Say all of a name that is too long, but not megabytes of it."""
    kept = text[:_NOTED].encode(errors="backslashreplace").decode()
    return f"keyword {key} has {len(text)} characters, more than {LONGEST}: {kept}"


def _text(header: Mapping[str, Any], primary: Mapping[str, Any], key: str) -> str:
    """Return a keyword as text with single blanks, empty if neither header says anything."""
    for place in (header, primary):
        text = " ".join(str(place.get(key, "")).split())
        if text.lower() not in _NOTHING:
            return text
    return ""


def _position(header: Mapping[str, Any], primary: Mapping[str, Any]) -> tuple[float, float]:
    """Return right ascension and declination; (0, 0) and numbers out of range are no position."""
    for place in (header, primary):
        for keys in _POSITIONS:
            ra, dec = (number(place, key) for key in keys)
            if ra is None or dec is None or (ra, dec) == (0.0, 0.0):
                continue
            if 0 <= ra < 360 and -90 <= dec <= 90:
                return ra, dec
    return math.nan, math.nan


def stem(file: str) -> str:
    """Return the name of a file without folders and extensions: ``a/b.lc.gz`` is ``b``."""
    path = PurePosixPath(file)
    if path.suffix.lower() in _COMPRESSED:
        path = path.with_suffix("")
    return path.stem


def normalise(name: str) -> str:
    """Return the name of an object in upper case without blanks and underscores."""
    return re.sub(r"[\s_]+", "", name).upper()


def observation_ids(files: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Name observations.

    Parameters
    ----------
    files : iterable of (str, str)
        Path of each file and its OBS_ID, empty if it has none.

    Returns
    -------
    dict
        By path: OBS_ID, or else the file's stem, or its path without extensions if files of other folders
        have the same stem.
    """
    files = list(files)
    folders = defaultdict(set)
    for file, obs_id in files:
        if not obs_id:
            folders[stem(file)].add(PurePosixPath(file).parent)

    def name(file: str) -> str:
        path = PurePosixPath(file)
        return stem(file) if len(folders[stem(file)]) == 1 else str(path.with_name(stem(file)))

    return {file: obs_id or name(file) for file, obs_id in files}


def source_of_observation(mission: str, obs_id: str, observation_id: str) -> str:
    """Return the source of an observation that is a source by itself: mission and OBS_ID if it has both."""
    return f"{mission}:{obs_id}" if mission and obs_id else observation_id


def sources_of_objects(objects: Iterable[str]) -> dict[str, str]:
    """Return the source of each spelling of an object.

    Blanks, underscores and case do not matter. A name by coordinates that is cut after the degrees of its
    declination (1ES 1927+65) is taken for the longer name in the archive that begins like it (1ES 1927+654),
    if there is exactly one.
    """
    names = {spelt: normalise(spelt) for spelt in objects}
    full = sorted(set(names.values()))

    def unabbreviated(name: str) -> str:
        if not _ABBREVIATED.search(name):
            return name
        longer = [n for n in full if re.fullmatch(re.escape(name) + "[0-9]{1,2}", n)]
        return longer[0] if len(longer) == 1 else name

    return {spelt: unabbreviated(name) for spelt, name in names.items()}


def product(kind: str, mission: str, instrument: str, band: str = "", dt: float = 0.0) -> str:
    """Return the name of a product. Observations of a source with the same product are averaged.

    Parameters
    ----------
    kind, mission, instrument : str
        As in the table.
    band : str, optional
        Label of the band.
    dt : float, optional
        Bin width, s, to five digits.
    """
    resolution = f"{dt:.5g}s" if dt > 0 else ""
    return "/".join(part for part in (kind, mission, instrument, band, resolution) if part)


@dataclass(frozen=True, slots=True)
class Reading:
    """A product that was read from a file, and its time.

    Attributes
    ----------
    file, source_id, observation_id, product : str
        Names.
    start, stop : float
        MJD, or any common scale; NaN if unknown.
    """

    file: str
    source_id: str
    observation_id: str
    product: str
    start: float = math.nan
    stop: float = math.nan


def distinct_products(readings: Iterable[Reading]) -> dict[tuple[str, str], str]:
    """Give different products to files that would be averaged, but hold the same time of an observation.

    Parameters
    ----------
    readings : iterable of Reading
        All of a source.

    Returns
    -------
    dict
        By file and product: the product that it gets. Files of one source, observation and product that do
        not overlap in time are its parts, and share the product. Files that overlap are different views of
        it (bands that no keyword names, other selections of the same events), and averaging them would
        count data twice: to each product is added the part of its file's name that differs.
    """
    groups = defaultdict(list)
    for reading in readings:
        groups[reading.source_id, reading.observation_id, reading.product].append(reading)
    result = {}
    for (_, observation_id, name), group in groups.items():
        files = [reading.file for reading in group]
        labels = [""] * len(files)
        if _overlap([(reading.start, reading.stop) for reading in group]):
            labels = _labels(files, observation_id)
        for file, label in zip(files, labels, strict=True):
            result[file, name] = f"{name}/{label}" if label else name
    return result


def _overlap(spans: Sequence[tuple[float, float]]) -> bool:
    """Return whether any two spans overlap, or may, because an end is unknown."""
    if len(spans) > 1 and any(math.isnan(end) for span in spans for end in span):
        return True
    ordered = sorted(spans)
    return any(after[0] < before[1] for before, after in itertools.pairwise(ordered))


def _labels(files: Sequence[str], observation_id: str) -> list[str]:
    """Return short labels that differ between files: their stems without numbers of observation and date."""
    short = []
    for file in files:
        text = _LONG_NUMBER.sub("", stem(file).replace(observation_id, ""))
        short.append(re.sub(r"[_\-. ]*_[_\-. ]*", "_", text).strip("_-. "))
    if len(set(short)) == len(files):
        return short
    if len({stem(file) for file in files}) == len(files):
        return [stem(file) for file in files]
    return list(files)
