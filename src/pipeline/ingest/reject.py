"""Why a file cannot be used: a status and a reason that a person can act on."""

from collections.abc import Iterable

from pipeline.status import Status


class Rejected(Exception):
    """A file, or what is in it, cannot be used.

    Attributes
    ----------
    status : Status
        What is wrong.
    reason : str
        Where it is wrong (file, HDU or column) and what to do, in one line.
    hdus : tuple
        HDUs whose headers could be read all the same.
    """

    def __init__(self, status: Status, reason: str, hdus: Iterable = ()):
        super().__init__(reason)
        self.status = status
        self.reason = one_line(reason)
        self.hdus = tuple(hdus)


def one_line(text) -> str:
    """Return text with every run of blanks, line ends and control characters made one blank."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
