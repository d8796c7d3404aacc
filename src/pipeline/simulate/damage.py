"""Files as archives really hold them: cut short, mislabelled, incomplete."""

import numpy as np
from astropy.io import fits


def cut_short(data: bytes, fraction: float = 0.6) -> bytes:
    """Return the first part of a file: a transfer that was broken off."""
    return data[: int(fraction * len(data))]


def error_page() -> bytes:
    """Return what a server sends under the name of a file that it does not have."""
    return (
        b"<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head>\n"
        b"<body><h1>Not Found</h1><p>The requested file is not on this server.</p></body></html>\n"
    )


def without_time_column(hdus: fits.HDUList) -> fits.HDUList:
    """Return a light curve with nothing in it from which its times could be known."""
    primary, table = hdus[0], hdus[1]
    kept = [column for column in table.columns if column.name != "TIME"]
    damaged = fits.BinTableHDU.from_columns(kept, name=table.name)
    cards = ("TELESCOP", "INSTRUME", "OBS_ID", "OBJECT", "RA_OBJ", "DEC_OBJ")
    damaged.header.update({card: table.header[card] for card in cards})
    return fits.HDUList([primary.copy(), damaged])


def without_response(hdus: fits.HDUList) -> fits.HDUList:
    """Return a power spectrum whose response is a file that nobody has."""
    damaged = fits.HDUList([hdu.copy() for hdu in hdus])
    damaged[1].header["RESPFILE"] = "lost.rmf"
    return damaged


def without_times(hdus: fits.HDUList) -> fits.HDUList:
    """Return a copy of an event list in which no time is a number."""
    damaged = fits.HDUList([hdu.copy() for hdu in hdus])
    damaged[1].data["TIME"] = np.nan
    return damaged
