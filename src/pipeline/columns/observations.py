"""Tables of the files of an archive: what was found, and what its server lists."""

from pipeline.columns.base import Column, Table
from pipeline.columns.shared import (
    DEC,
    EXPOSURE,
    FILE,
    FLAGS,
    INSTRUMENT,
    KIND,
    MISSION,
    MJD_START,
    MJD_STOP,
    MTIME_NS,
    OBJECT,
    OBSERVATION_ID,
    RA,
    REASON,
    SHA256,
    SIZE,
    SOURCE_ID,
    STATUS,
    VERSION,
)

OBSERVATIONS = Table(
    "OBSERVATIONS",
    "Every file that was found in the archive.",
    (
        FILE,
        Column(
            "part",
            "str",
            "Object that the row is of, where the file holds several; `file` has it behind a #. Else "
            "empty.",
            ucd="meta.id.part",
        ),
        SIZE,
        MTIME_NS,
        VERSION,
        SHA256,
        KIND,
        Column("hdu", "str", "HDU the data are in, by name or number.", ucd="meta.id.part"),
        MISSION,
        INSTRUMENT,
        OBSERVATION_ID,
        OBJECT,
        RA,
        DEC,
        MJD_START,
        MJD_STOP,
        EXPOSURE,
        Column(
            "response",
            "str",
            "Response file inside the archive that the file needs, or empty.",
            ucd="meta.ref",
        ),
        Column("response_version", "str", "Version of the response file.", ucd="meta.version"),
        SOURCE_ID,
        STATUS,
        FLAGS,
        REASON,
    ),
    key=("file",),
)

LISTING = Table(
    "LISTING",
    "Every file that the server of an archive lists.",
    (
        FILE,
        SIZE,
        MTIME_NS,
        VERSION,
        Column(
            "checksum",
            "str",
            "Checksum of the file, as md5:… or sha-256:…, or empty.",
            ucd="meta.code",
        ),
        Column("problem", "str", "Why the file cannot be downloaded, or empty.", ucd="meta.note"),
    ),
    key=("file",),
)
