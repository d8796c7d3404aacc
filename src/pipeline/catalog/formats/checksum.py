"""The checksums of FITS, computed while an HDU is written (FITS standard 4.0, section 4.4.2.7 and appendix J)."""

import numpy as np

_WORD = 0xFFFFFFFF
_OFFSET = ord("0")
_EXCLUDED = frozenset((*range(0x3A, 0x41), *range(0x5B, 0x61)))
"""Codes of the punctuation between digits, capitals and small letters, which a checksum must not hold."""


class Checksum:
    """The sum of the 32-bit words of bytes that come in pieces, in ones' complement."""

    def __init__(self) -> None:
        self._sum = 0
        self._rest = b""

    def add(self, data: bytes | memoryview) -> None:
        """Add more bytes; the words may begin in one piece and end in another."""
        joined = self._rest + bytes(data) if self._rest else data
        whole = len(joined) - len(joined) % 4
        words = np.frombuffer(joined, ">u4", whole // 4)
        self._sum = _folded(self._sum + int(words.sum(dtype=np.uint64)))
        self._rest = bytes(joined[whole:])

    @property
    def value(self) -> int:
        """The sum; bytes that fill no word are filled with zeros."""
        return _folded(self._sum + int.from_bytes(self._rest.ljust(4, b"\0"), "big"))


def _folded(total: int) -> int:
    """Add what is beyond 32 bits to the sum, until nothing is."""
    while total >> 32:
        total = (total & _WORD) + (total >> 32)
    return total


def encoded(total: int) -> str:
    """Return the complement of a sum as the 16 characters of CHECKSUM."""
    complement = ~total & _WORD
    out = np.zeros((4, 4), np.int64)  # of each byte four characters, which add up to it
    for place, byte in enumerate(complement.to_bytes(4, "big")):
        out[:, place] = _characters(byte)
    text = bytes(out.ravel().tolist())
    return (text[-1:] + text[:-1]).decode()


def _characters(byte: int) -> list[int]:
    """Return four codes of letters or digits whose excess over that of 0 is a byte in sum."""
    quotient, remainder = divmod(byte, 4)
    codes = [quotient + remainder + _OFFSET, *[quotient + _OFFSET] * 3]
    while _EXCLUDED.intersection(codes):
        for first in (0, 2):
            if _EXCLUDED.intersection(codes[first : first + 2]):
                codes[first] += 1
                codes[first + 1] -= 1
    return codes


def combined(*totals: int) -> int:
    """Return the sum of several sums."""
    return _folded(sum(totals))
