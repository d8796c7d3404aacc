"""Why a file, or an observation in it, cannot be used."""

from collections.abc import Sequence
from typing import Any

from pipeline.refusal import Refusal
from pipeline.status import Status


class Rejected(Refusal):
    """A file, or an observation in it, cannot be used.

    Attributes
    ----------
    hdus : tuple
        HDUs of a damaged file whose headers could be read.
    """

    def __init__(self, status: Status, reason: str, hdus: Sequence[Any] = ()):
        super().__init__(status, reason)
        self.hdus = tuple(hdus)
