"""The status of each product and source, and the reason where there is no result."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline.catalog.files import failed
from pipeline.catalog.groups import pick
from pipeline.catalog.models import Fits
from pipeline.status import HAS_RESULT, Status

_BUG = "No stage says why; this is a bug, report it."


@dataclass(frozen=True)
class Ends:
    """Where the rows of a table ended: whether there is a result, and why not.

    Attributes
    ----------
    status, reason : list of str
        Of each row.
    """

    status: list[str]
    reason: list[str]

    @classmethod
    def of(cls, table: pa.Table) -> "Ends":
        """Return the ends of the rows of a table."""
        return cls(table.column("status").to_pylist(), table.column("reason").to_pylist())


@dataclass(frozen=True)
class Outcomes:
    """Status and reason of several products or sources.

    Attributes
    ----------
    status, reason : object array of str
        Of each.
    """

    status: np.ndarray
    reason: np.ndarray


def outcomes(
    files: pa.Table,
    spectra: pa.Table,
    models: pa.Table,
    fits: Fits,
    product: np.ndarray,
    file: np.ndarray,
    group: np.ndarray,
) -> Outcomes:
    """Return the status of the fit of each product; where there is no result, that of the last stage before.

    Parameters
    ----------
    files, spectra, models : pyarrow.Table
        Rows of OBSERVATIONS, SPECTRA and MODELS.
    fits : Fits
        The chosen fits.
    product : int array, shape (groups,)
        The product of each group (a product, or a source with the product that stands for it), -1 for none.
    file, group : int array, shape (pairs,)
        Which file is in which group.
    """
    chosen = pick(fits.chosen, product, -1)
    fitted, averaged, read = Ends.of(models), Ends.of(spectra), Ends.of(files)
    status = pick(np.array(fitted.status, object), chosen, "")
    reason = pick(np.array(fitted.reason, object), chosen, "")
    without = np.flatnonzero(chosen < 0)
    of_product = _rows_by_group(fits.product, np.arange(fits.product.size), product[without])
    faulty = failed(files)[file]
    of_group = _rows_by_group(group[faulty], file[faulty], without)
    for k in without:
        ends = [(fitted, row) for row in of_product.get(int(product[k]), ())]
        ends += [(averaged, int(product[k]))] if product[k] >= 0 else []
        ends += [(read, row) for row in of_group.get(int(k), ())]
        status[k], reason[k] = _last(ends)
    return Outcomes(status, reason)


def _last(ends: Iterable[tuple[Ends, int]]) -> tuple[str, str]:
    """Return status and reason of the first of some rows without a result; the reason of the first that says it."""
    found = [
        (end.status[row], end.reason[row])
        for end, row in ends
        if Status(end.status[row]) not in HAS_RESULT
    ]
    if not found:
        return Status.ERROR, _BUG
    status = found[0][0]
    return status, next((reason for _, reason in found if reason), Status(status).sentence)


def _rows_by_group(group: np.ndarray, rows: np.ndarray, wanted: np.ndarray) -> dict[int, list[int]]:
    """Return the rows of the wanted groups, in order."""
    there = np.flatnonzero(np.isin(group, wanted) & (group >= 0))
    out: dict[int, list[int]] = {}
    for of, row in zip(group[there].tolist(), rows[there].tolist(), strict=True):
        out.setdefault(of, []).append(row)
    return out
