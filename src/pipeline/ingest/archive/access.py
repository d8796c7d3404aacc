"""Why a file of an archive cannot be opened or read, and whether that is the file's fault or the machine's."""

import errno
import os
from pathlib import Path

from pipeline.faults import MachineFault, of_machine, sentence
from pipeline.ingest.archive.copies import Copies
from pipeline.ingest.reject import Rejected
from pipeline.status import Status

_MAY_HEAL = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.ELOOP, errno.EBUSY}
)


def refusal(error: OSError, file: str, archive: object) -> Rejected:
    """Return why a file cannot be used, by the error that came of opening or reading it.

    Parameters
    ----------
    error : OSError
        The error.
    file : str
        Path of the file inside the archive.
    archive : Path, Copies or another
        Folder of the archive. Of a remote archive, what is on this machine is the pipeline's own.

    Returns
    -------
    Rejected
        INACCESSIBLE where the file is not there or must not be read, which the next run looks at again; UNREADABLE
        where it is no file to read from.

    Raises
    ------
    MachineFault
        When the machine is at fault: by the number of the error, or because the archive is away.
    """
    path = archive / file if isinstance(archive, Path) else file
    if of_machine(error) or (error.errno is not None and isinstance(archive, Copies)):
        raise MachineFault(sentence(error, path)) from error
    if error.errno in _MAY_HEAL:
        if isinstance(archive, Path):
            check_present(archive, archive / file)
        reason = f"{file} cannot be opened: {error.strerror}: run again when it can be read"
        return Rejected(Status.INACCESSIBLE, reason)
    return Rejected(Status.UNREADABLE, f"{file} cannot be read: {error.strerror or error}")


def check_present(archive: Path, path: Path) -> None:
    """Make sure that a file that is not there is missing by itself, and not with the disk that it is on.

    A folder where nothing is mounted any more is gone or empty.

    Parameters
    ----------
    archive : Path
        Folder of the archive.
    path : Path
        A file in it.

    Raises
    ------
    MachineFault
        When the archive or the folder of the file is away.
    """
    for folder in path.parents:
        try:
            with os.scandir(folder) as entries:
                if next(entries, None) is not None:
                    return
                raise MachineFault(f"{folder}: {_AWAY}")
        except (FileNotFoundError, NotADirectoryError):
            if folder == archive:
                raise MachineFault(f"{folder}: {_AWAY}") from None
        except OSError as error:
            if folder == archive or of_machine(error):
                raise MachineFault(sentence(error, folder)) from error
            return


_AWAY = "is not there or empty: see whether its disk is mounted, then run again"
