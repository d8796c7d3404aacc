"""Values that are made when they are asked for, and kept as long as they take little memory."""

from collections.abc import Callable
from typing import Generic, TypeVar

V = TypeVar("V")

SMALL = 1 << 26
"""Bytes, 64 MiB, that the kept values of an item may take together."""


class Kept(Generic[V]):
    """Values by number. The first ones are kept while they are small, and the last one whatever its size.

    A worker so holds either one observation, or several that are small together: it reads each of these once
    only, although it goes through all of them two or three times.
    """

    def __init__(
        self, make: Callable[[int], V], size: Callable[[V], int], most: int = SMALL
    ) -> None:
        """Keep up to `most` bytes of what `make` returns, each of `size` bytes."""
        self._make, self._size, self._left = make, size, most
        self._kept: dict[int, V] = {}
        self._last: tuple[int, V] | None = None

    def __call__(self, number: int) -> V:
        """Return the value with a number."""
        if number in self._kept:
            return self._kept[number]
        if self._last is not None and self._last[0] == number:
            return self._last[1]
        self._last = None  # its memory is free before the next one is made
        value = self._make(number)
        size = self._size(value)
        if size <= self._left:
            self._left -= size
            self._kept[number] = value
        else:
            self._left = 0
            self._last = number, value
        return value
