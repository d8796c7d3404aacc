"""Why there is no result."""

from pipeline.status import Status


class Unusable(Exception):
    """There is no result: why, and what to do."""

    def __init__(self, status: Status, reason: str):
        super().__init__(reason)
        self.status = status
