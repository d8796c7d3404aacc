"""Limits on requests and bytes a second."""

import threading
import time


class Limiter:
    """Spreads an amount over time, for all threads together.

    Parameters
    ----------
    per_second : float or None
        Largest amount a second; None: no limit.
    """

    def __init__(self, per_second: float | None):
        self._per_second, self._free, self._lock = per_second, 0.0, threading.Lock()

    def wait(self, amount: float) -> float:
        """Take an amount, and return the seconds to wait before taking another."""
        if self._per_second is None:
            return 0.0
        with self._lock:
            now = time.monotonic()
            self._free = max(self._free, now) + amount / self._per_second
            return self._free - now
