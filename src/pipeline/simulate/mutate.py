"""Random damage of FITS files, seeded: of their bytes, their blocks, their cards and their columns.

Broken transfers, broken software and malice damage files in these ways. Every damage is a function of a
file's bytes and a random generator. Most leave the structure whole, so that a reader gets far enough into
the file to fail there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

BLOCK, CARD = 2880, 80

NUMBERS = (
    *("NaN", "'NaN'", "Infinity", "1E300", "-1E300", "1E-300", "1.0E12", "-1.0", "0", "0.0", "T"),
    *("-9223372036854775808", "9223372036854775807", "4294967296", "2147483648", "86400", "1E9999"),
    *("'10.0'", "'s'", "''", "'ABC", "", "1.0D5", "(1.0, 2.0)"),
)
"""Values, as they are written in a card, that are no sensible number."""

WORDS = (
    *(
        "'d'",
        "'s'",
        "'keV'",
        "'furlong'",
        "'EVENTS'",
        "'LIGHTCURVE'",
        "'SPECTRUM'",
        "'GTI'",
        "'TIME'",
    ),
    *("'RATE'", "'START'", "'../../../etc/passwd'", "'/dev/zero'", "'a''b'", "'\\\\x00'", "'NONE'"),
    *(
        "'MJD'",
        "'UTC'",
        "'LOCAL'",
        "'NICER'",
        "'XMM'",
        "'KEPLER'",
        "'RESPONSE'",
        "'  '",
        "'%s%n{0}'",
    ),
)
"""Values that are words, the wrong ones in most places."""

FORMS = (
    *(
        "'D'",
        "'E'",
        "'J'",
        "'I'",
        "'B'",
        "'L'",
        "'8X'",
        "'A'",
        "'2D'",
        "'0D'",
        "'PE(9)'",
        "'QD(9)'",
    ),
    *("'C'", "'M'", "'K'", "'9999999999D'", "'-1D'", "'Z'", "'1PB(2147483647)'", "''", "'D8.3'"),
)
"""Values of TFORM."""

DIMENSIONS = ("'(1,1)'", "'(99999999,99999999)'", "'(-1)'", "'()'", "'(2,2)'", "'x'")
"""Values of TDIM."""

SPECIAL = (np.nan, np.inf, -np.inf, 1e300, -1e300, 1e12, 1e18, -1.0, 0.0, 5e-324, 1e-9, -99999.0)
"""Values of a column."""

_TIME_KEYS = (
    *("MJDREF", "MJDREFI", "MJDREFF", "BJDREFI", "TIMEDEL", "TIMEZERO", "TIMEPIXR", "TIMEUNIT"),
    *("TSTART", "TSTOP", "EXPOSURE", "TIMESYS", "TIMEREF"),
)
_SIZE_KEYS = ("NAXIS", "NAXIS1", "NAXIS2", "PCOUNT", "GCOUNT", "TFIELDS", "BITPIX", "THEAP")
_COLUMN_KEYS = ("TTYPE", "TUNIT", "TFORM", "TNULL")
_NAME_KEYS = (
    *("HDUCLAS1", "HDUCLAS2", "EXTNAME", "TELESCOP", "INSTRUME", "OBJECT", "OBS_ID", "RESPFILE"),
    *("ANCRFILE", "XTENSION", "CHANTYPE", "RA_OBJ", "E_MIN", "CHANMIN", "CHECKSUM", "DATASUM"),
)


def mutate(data: bytes, rng: np.random.Generator) -> tuple[bytes, str]:
    """Damage a file in one to three ways.

    Parameters
    ----------
    data : bytes
        A FITS file.
    rng : Generator
        It alone decides how the file is damaged.

    Returns
    -------
    damaged : bytes
    how : str
        Names of the damages.
    """
    done = []
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        damage = DAMAGES[rng.integers(len(DAMAGES))]
        data = damage(data, rng)
        done.append(damage.__name__)
    return data, " + ".join(done)


def cut(data: bytes, rng: np.random.Generator) -> bytes:
    """Cut the file short, often at the end of a block."""
    size = int(rng.integers(len(data) + 1))
    return data[: size // BLOCK * BLOCK if rng.random() < 0.3 else size]


def flip_bits(data: bytes, rng: np.random.Generator) -> bytes:
    """Flip a few bits anywhere."""
    count = int(rng.integers(1, 20))
    return _changed(data, rng, count, lambda byte: byte ^ (1 << int(rng.integers(8))))


def overwrite(data: bytes, rng: np.random.Generator) -> bytes:
    """Overwrite a stretch with noise, zeros or text."""
    if not data:
        return data
    start = int(rng.integers(len(data)))
    size = int(rng.integers(1, 4000))
    filling = (rng.bytes(size), bytes(size), b"<html> 404 </html>\n" * (size // 19 + 1))
    return (data[:start] + filling[rng.integers(3)][:size] + data[start + size :])[: len(data)]


def move_blocks(data: bytes, rng: np.random.Generator) -> bytes:
    """Swap two blocks, drop one, or repeat one."""
    blocks = [data[i : i + BLOCK] for i in range(0, len(data), BLOCK)]
    if not blocks:
        return data
    one, other = rng.integers(len(blocks), size=2)
    what = rng.integers(3)
    if what == 0:
        blocks[one], blocks[other] = blocks[other], blocks[one]
    elif what == 1:
        del blocks[one]
    else:
        blocks.insert(other, blocks[one])
    return b"".join(blocks)


def move_hdus(data: bytes, rng: np.random.Generator) -> bytes:
    """Put the HDUs in another order, drop one, or repeat one."""
    starts = [0, *(i for i in range(BLOCK, len(data), BLOCK) if data[i : i + 8] == b"XTENSION")]
    hdus = [data[a:b] for a, b in zip(starts, [*starts[1:], len(data)], strict=True)]
    what = rng.integers(3)
    if what == 0:
        hdus = [hdus[i] for i in rng.permutation(len(hdus))]
    elif what == 1:
        del hdus[rng.integers(len(hdus))]
    else:
        hdus.append(hdus[rng.integers(len(hdus))])
    return b"".join(hdus)


def move_cards(data: bytes, rng: np.random.Generator) -> bytes:
    """Swap, drop or repeat cards of the headers."""
    places = _cards(data)
    if not places:
        return data
    out = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        one, other = (places[i] for i in rng.integers(len(places), size=2))
        a, b = bytes(out[one : one + CARD]), bytes(out[other : other + CARD])
        out[one : one + CARD] = b if rng.random() < 0.6 else b" " * CARD
        if rng.random() < 0.5:
            out[other : other + CARD] = a
    return bytes(out)


def spoil_cards(data: bytes, rng: np.random.Generator) -> bytes:
    """Change bytes inside cards."""
    places = _cards(data)
    out = bytearray(data)
    for _ in range(rng.integers(1, 6) if places else 0):
        place = places[rng.integers(len(places))] + int(rng.integers(CARD))
        out[place] = rng.integers(256) if rng.random() < 0.3 else rng.integers(32, 127)
    return bytes(out)


def set_time(data: bytes, rng: np.random.Generator) -> bytes:
    """Give keywords of time values that they cannot have, or none."""
    return _set(data, rng, _TIME_KEYS, (*NUMBERS, *NUMBERS, *WORDS))


def set_size(data: bytes, rng: np.random.Generator) -> bytes:
    """Give keywords of size values that they cannot have."""
    return _set(data, rng, _SIZE_KEYS, NUMBERS)


def set_name(data: bytes, rng: np.random.Generator) -> bytes:
    """Give a file another class, name or mission."""
    return _set(data, rng, _NAME_KEYS, (*WORDS, *WORDS, *NUMBERS))


def lengthen(data: bytes, rng: np.random.Generator) -> bytes:
    """Give a keyword a text of thousands of characters, on cards CONTINUE."""
    keys = (*_NAME_KEYS, "TIMEUNIT", "TIMESYS", *(f"{k}{i}" for k in _COLUMN_KEYS for i in (1, 2)))
    found = [i for i in _cards(data) if data[i : i + 8].decode("ascii", "replace").strip() in keys]
    if not found:
        return data
    place = found[rng.integers(len(found))]
    end = data.find(b"END" + b" " * 77, place)
    text = ("9", "GTI7", "A b", "'' ", "x/#")[rng.integers(5)] * int(rng.integers(100, 2500))
    parts = [text[i : i + 60].replace("'", "").ljust(1) for i in range(0, len(text), 60)]
    lines = [f"CONTINUE  '{part}&'" for part in parts[1:]] + ["CONTINUE  ''"]
    lines[:0] = [f"{data[place : place + 8].decode('ascii')}= '{parts[0]}&'"]
    cards = "".join(line.ljust(CARD)[:CARD] for line in lines).encode()
    if end < 0:
        return data[:place] + cards + data[place + CARD :]
    stop = end + CARD + -(end + CARD) % BLOCK
    head = data[:place] + cards + data[place + CARD : end + CARD]
    return head + b" " * (-len(head) % BLOCK) + data[stop:]


def set_column(data: bytes, rng: np.random.Generator) -> bytes:
    """Give a column another name, unit, form, scale or shape."""
    key = ("TTYPE", "TUNIT", "TFORM", "TFORM", "TSCAL", "TZERO", "TDIM", "TNULL")[rng.integers(8)]
    values = {"TFORM": FORMS, "TDIM": DIMENSIONS, "TTYPE": WORDS, "TUNIT": WORDS}.get(key, NUMBERS)
    return _set(data, rng, [f"{key}{i}" for i in range(1, 8)], values)


def set_rows(data: bytes, rng: np.random.Generator) -> bytes:
    """Say that a table has fewer rows than it has, often none."""
    return _set(data, rng, ("NAXIS2",), ("0", "1", "2", "7"))


def spoil_numbers(data: bytes, rng: np.random.Generator) -> bytes:
    """Put infinities, NaN, huge and negative numbers into the data, in some or in all rows."""
    tables = _tables(data)
    if not tables:
        return data
    table = tables[rng.integers(len(tables))]
    out = bytearray(data)
    offset, kind = table.columns[rng.integers(len(table.columns))]
    values = np.ndarray((table.rows,), kind, out, table.start + offset, (table.width,))
    where: slice | np.ndarray = slice(None)
    if rng.random() >= 0.3:
        where = rng.integers(table.rows, size=rng.integers(1, 9))
    what = rng.integers(5)
    if what == 0:
        values[:] = values[::-1].copy()
    elif what == 1:
        values[:] = rng.permutation(values)
    elif what == 2:
        values[where] = values[0]
    elif values.dtype.kind == "f":
        with np.errstate(over="ignore"):
            values[where] = np.float64(SPECIAL[rng.integers(len(SPECIAL))]).astype(kind)
    else:
        values[where] = np.iinfo(values.dtype).max
    return bytes(out)


def swap_columns(data: bytes, rng: np.random.Generator) -> bytes:
    """Exchange the numbers of two columns of one kind: intervals that end before they start."""
    tables = [table for table in _tables(data) if len(table.columns) > 1]
    if not tables:
        return data
    table = tables[rng.integers(len(tables))]
    chosen = rng.choice(len(table.columns), 2, replace=False)
    (one, kind), (other, same) = (table.columns[i] for i in chosen)
    out = bytearray(data)
    if kind == same:
        a, b = (
            np.ndarray((table.rows,), kind, out, table.start + at, (table.width,))
            for at in (one, other)
        )
        a[:], b[:] = b.copy(), a.copy()
    return bytes(out)


DAMAGES: tuple[Callable[[bytes, np.random.Generator], bytes], ...] = (
    *(cut, flip_bits, overwrite, move_blocks, move_hdus, move_cards, spoil_cards),
    *(set_time, set_time, set_size, set_name, lengthen, set_column, set_column, set_rows),
    *(spoil_numbers, spoil_numbers, spoil_numbers, swap_columns),
)
"""What `mutate` chooses from."""


def _changed(
    data: bytes, rng: np.random.Generator, count: int, change: Callable[[int], int]
) -> bytes:
    out = bytearray(data)
    for _ in range(count if out else 0):
        place = rng.integers(len(out))
        out[place] = change(out[place])
    return bytes(out)


def _cards(data: bytes) -> list[int]:
    """Return the places of cards with a value, or of END, wherever bytes look like a header."""
    return [
        i
        for i in range(0, len(data) - CARD + 1, CARD)
        if data[i + 8 : i + 10] == b"= " or data[i : i + 8] == b"END     "
    ]


def _set(
    data: bytes, rng: np.random.Generator, keys: Sequence[str], values: Sequence[str]
) -> bytes:
    """Give one of the keywords that a file has, wherever it has it, one of the values."""
    found: dict[str, list[int]] = {}
    for place in _cards(data):
        found.setdefault(data[place : place + 8].decode("ascii", "replace").strip(), []).append(
            place
        )
    present = [key for key in keys if key in found]
    if not present:
        return data
    key = present[rng.integers(len(present))]
    places = found[key]
    if rng.random() < 0.7:
        places = [places[rng.integers(len(places))]]
    value = values[int(rng.integers(len(values)))]
    card = (
        b" " * CARD if rng.random() < 0.1 else f"{key:8}= {value:>20}".ljust(CARD).encode()[:CARD]
    )
    out = bytearray(data)
    for place in places:
        out[place : place + CARD] = card
    return bytes(out)


@dataclass(frozen=True)
class TablePlace:
    """Where a binary table lies in a file.

    Attributes
    ----------
    start, width, rows : int
        First byte of the data, bytes of a row, number of rows.
    columns : list of (int, str)
        Offset in the row, and NumPy's name of the type, of each column.
    """

    start: int
    width: int
    rows: int
    columns: list[tuple[int, str]]


def _tables(data: bytes) -> list[TablePlace]:
    """Return the tables of a file that is still whole."""
    kinds = {"D": ">f8", "E": ">f4", "J": ">i4", "I": ">i2"}
    tables: list[TablePlace] = []
    cards: dict[str, str] = {}
    for place in range(0, len(data) - CARD + 1, CARD):
        card = data[place : place + CARD]
        if card[:8] in (b"SIMPLE  ", b"XTENSION"):
            cards = {}
        if card[8:10] == b"= ":
            text = card[10:].split(b"/")[0].strip().strip(b"'").decode("ascii", "replace").strip()
            cards[card[:8].decode("ascii", "replace").strip()] = text
        if card[:8] == b"END     " and "TFIELDS" in cards:
            start = -(-(place + CARD) // BLOCK) * BLOCK
            try:
                width, rows = int(cards["NAXIS1"]), int(cards["NAXIS2"])
                forms = [cards[f"TFORM{i + 1}"] for i in range(int(cards["TFIELDS"]))]
                sizes = [np.dtype(kinds[form[-1]]).itemsize for form in forms]
            except (KeyError, ValueError, IndexError):
                continue
            offsets = np.cumsum([0, *sizes])
            if rows > 0 and offsets[-1] == width and start + width * rows <= len(data):
                columns = [(int(o), kinds[f[-1]]) for o, f in zip(offsets, forms, strict=False)]
                tables.append(TablePlace(start, width, rows, columns))
            cards = {}
    return tables
