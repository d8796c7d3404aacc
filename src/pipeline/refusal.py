"""Why data cannot be used: a status and a reason that a person can act on."""

from pipeline.status import Status

LONGEST_REASON = 2000
"""Most characters of a reason: it may quote a header, which may be as long as a file."""


class Refusal(Exception):
    """Data cannot be used. The files and spectra around them are not affected.

    Attributes
    ----------
    status : Status
        What is wrong.
    reason : str
        Where it is wrong (file, HDU or column) and what to do, in one line.
    """

    def __init__(self, status: Status, reason: str):
        super().__init__(reason)
        self.status = status
        self.reason = one_line(reason)


def one_line(text: object) -> str:
    """Return text in which every run of blanks, line ends and control characters is one blank; its end may be cut."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return line if len(line) <= LONGEST_REASON else f"{line[: LONGEST_REASON - 1]}…"


def error_line(error: BaseException) -> str:
    """Return the kind and the message of an error in one line."""
    return one_line(f"{type(error).__name__}: {error}")
