"""From the observations of a series to the rows of SPECTRA."""

from typing import Any

from pipeline.config.segment import SegmentOptions
from pipeline.segment.alike import alike
from pipeline.segment.observation import Observations
from pipeline.segment.products.power_spectra import columns, readymade, timing


def product_rows(observations: Observations, options: SegmentOptions) -> list[dict[str, Any]]:
    """Return the rows of SPECTRA for a series.

    Parameters
    ----------
    observations : Observations
        At least one. They are read again rather than all kept in memory, if they are large.
    options : SegmentOptions
        Options.

    Returns
    -------
    list of dict
        One row, or more where observations differ too much to be averaged (in time resolution or
        in frequency bins): then the products are numbered from the second on. Where several lengths of
        a segment are asked for there is one for each that fits.
    """
    observations = observations.remembered()
    rows = []
    for number, members in enumerate(alike(observations), start=1):
        some = observations.some(members)
        if some.headers[0].kind == "spectrum":
            results: list[columns.Result] = [readymade.averaged(some, options)]
        else:
            results = timing.averages(some, options)
        mark = f"#{number}" if number > 1 else ""
        rows += [columns.row(result, some.headers, mark) for result in results]
    return rows
