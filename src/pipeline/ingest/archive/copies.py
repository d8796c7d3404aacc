"""Where a file of an archive is on this machine: in the archive's folder, or a copy of it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from pipeline.faults import MachineFault
from pipeline.ingest.archive.file import FileVersion, version_of
from pipeline.ingest.reject import Rejected
from pipeline.status import Status


@dataclass(frozen=True)
class Copies:
    """The copies of a remote archive's files. A copy that is there is complete and of its version.

    Its name is a hash, because a server may call a file what no file system can, or what means something here.

    Attributes
    ----------
    folder : Path
        Folder of the copies; several archives may share it.
    archive : str
        URL of the archive.
    """

    folder: Path
    archive: str

    def path(self, file: str, version: str) -> Path:
        """Return the path of the copy of a version of a file, whether it is there or not."""
        wanted = f"{self.archive}\0{file}\0{version}".encode(errors="surrogatepass")
        digest = hashlib.sha256(wanted).hexdigest()
        return self.folder / digest[:2] / digest

    def has(self, wanted: FileVersion) -> bool:
        """Return whether the copy of a version of a file is there."""
        return self.path(*wanted).is_file()


def locate(archive: Path | Copies, file: str, version: str) -> Path:
    """Return the path of a file that is still the version that was planned.

    Raises
    ------
    Rejected
        INACCESSIBLE where a file has changed.
    OSError
        Where it is not there, or must not be looked at.
    MachineFault
        Where a copy is not there.
    """
    if isinstance(archive, Copies):
        path = archive.path(file, version)
        if not path.is_file():
            raise MachineFault(f"{path}: the copy of {file} is gone: run again")
        return path
    path = Path(archive) / file
    about = path.stat()
    if version_of(about.st_size, about.st_mtime_ns) != version:
        raise Rejected(
            Status.INACCESSIBLE, f"{file} has changed since the plan was made: run again"
        )
    return path


def size_of(archive: Path | Copies, file: str, version: str) -> int:
    """Return the bytes of a file as it is now; 0 where it is not there, which reading it will say."""
    path = archive.path(file, version) if isinstance(archive, Copies) else archive / file
    try:
        return path.stat().st_size
    except OSError:
        return 0
