"""Parameters of the chosen models of a shard as arrays, and the peaks that they describe."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog.groups import NONE, pick
from pipeline.components import component_of, may_be_qpo

_OF_A_PEAK = ("frequency", "fwhm", "variance", "q", "rms", "peak_power", "nu_max")


@dataclass(frozen=True)
class Measured:
    """Values with errors, one for each product; NaN, and a closed interval, where there is none.

    Attributes
    ----------
    value, err_lo, err_hi : float array, shape (products,)
        The values with their lower and upper errors.
    open_lo, open_hi : bool array, shape (products,)
        Whether the interval has no lower, no upper end.
    limit : float array, shape (products,)
        The lower limit where only the upper end is open, else the upper limit.
    """

    value: np.ndarray
    err_lo: np.ndarray
    err_hi: np.ndarray
    open_lo: np.ndarray
    open_hi: np.ndarray
    limit: np.ndarray

    def columns(self, name: str) -> dict[str, np.ndarray]:
        """Return the columns of the catalogue that they are."""
        return {
            name: self.value,
            f"{name}_err_lo": self.err_lo,
            f"{name}_err_hi": self.err_hi,
            f"{name}_open_lo": self.open_lo,
            f"{name}_open_hi": self.open_hi,
            f"{name}_limit": self.limit,
        }


@dataclass(frozen=True)
class Parameters:
    """Parameters of the chosen models, a row each.

    Attributes
    ----------
    product : int array, shape (rows,)
        Which product of the shard each row is of.
    n_products : int
        How many products the shard has.
    component, name : int array, shape (rows,)
        Places in `components` and `names`.
    components, names : list of str
        The components (``lorentzian.1``) and the parameters that there are.
    value, err_lo, err_hi, upper_limit, lower_limit : float array, shape (rows,)
        As in PARAMETERS.
    open_lo, open_hi, at_bound : bool array, shape (rows,)
        As in PARAMETERS.
    """

    product: np.ndarray
    n_products: int
    component: np.ndarray
    name: np.ndarray
    components: list[str]
    names: list[str]
    value: np.ndarray
    err_lo: np.ndarray
    err_hi: np.ndarray
    upper_limit: np.ndarray
    lower_limit: np.ndarray
    open_lo: np.ndarray
    open_hi: np.ndarray
    at_bound: np.ndarray

    @classmethod
    def from_table(cls, table: pa.Table, product: np.ndarray, n_products: int) -> "Parameters":
        """Return rows of PARAMETERS; those of no product (-1) are left out."""
        table, product = table.filter(pa.array(product >= 0)), product[product >= 0]
        component, components = _codes(table, "component")
        name, names = _codes(table, "parameter")
        numbers = ("value", "err_lo", "err_hi", "upper_limit", "lower_limit")
        truths = ("open_lo", "open_hi", "at_bound")
        columns = {n: table.column(n).to_numpy() for n in (*numbers, *truths)}
        return cls(product, n_products, component, name, components, names, **columns)

    def is_named(self, name: str) -> np.ndarray:
        """Return which rows are of the parameter of a name."""
        if name not in self.names:
            return np.zeros(self.name.shape, bool)
        return self.name == self.names.index(name)

    def rows_of(self, component: str, name: str) -> np.ndarray:
        """Return for each product the row of a parameter of a component, -1 for none."""
        out = np.full(self.n_products, NONE, np.int64)
        if component in self.components:
            rows = np.flatnonzero(
                self.is_named(name) & (self.component == self.components.index(component))
            )
            out[self.product[rows]] = rows
        return out

    def measured(self, rows: np.ndarray) -> Measured:
        """Return the values of some rows; nothing is known of row -1."""
        open_lo, open_hi = (pick(side, rows, False) for side in (self.open_lo, self.open_hi))
        lower, upper = (pick(limit, rows, nan) for limit in (self.lower_limit, self.upper_limit))
        return Measured(
            value=pick(self.value, rows, nan),
            err_lo=pick(self.err_lo, rows, nan),
            err_hi=pick(self.err_hi, rows, nan),
            open_lo=open_lo,
            open_hi=open_hi,
            limit=np.where(open_hi & ~open_lo, lower, upper),
        )


@dataclass(frozen=True)
class Peaks:
    """The Lorentzians of the chosen models and their blends, a peak each, in the order of the parameters.

    Attributes
    ----------
    product : int array, shape (peaks,)
        Which product of the shard each is of.
    component : object array of str, shape (peaks,)
        Its name: ``lorentzian.1``; of a blend ``lorentzian.2+lorentzian.3``.
    is_blend : bool array, shape (peaks,)
        Whether it stands for several Lorentzians.
    frequency, fwhm, variance : float array, shape (peaks,)
        Centroid and full width at half maximum, Hz, and integral; NaN where unknown.
    frequency_error : float array, shape (peaks,)
        Mean of the two errors of the centroid, Hz.
    q_err_lo : float array, shape (peaks,)
        Lower error of the quality factor.
    peak_power : float array, shape (peaks,)
        Frequency times power at the centroid, as the fit found it; NaN where it did not.
    at_bound : bool array, shape (peaks,)
        Whether its variance or its place is at a bound.
    rows : mapping of str to int array, shape (peaks,)
        Rows of its parameters by their names, -1 for none.
    """

    product: np.ndarray
    component: np.ndarray
    is_blend: np.ndarray
    frequency: np.ndarray
    fwhm: np.ndarray
    variance: np.ndarray
    frequency_error: np.ndarray
    q_err_lo: np.ndarray
    peak_power: np.ndarray
    at_bound: np.ndarray
    rows: Mapping[str, np.ndarray]

    @property
    def quality(self) -> np.ndarray:
        """The quality factors, centroid frequency over FWHM."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.frequency / self.fwhm

    @classmethod
    def of(cls, parameters: Parameters) -> "Peaks":
        """Return the peaks that parameters describe."""
        is_lorentzian = np.array([is_peak(name) for name in parameters.components], bool)
        own = np.flatnonzero(is_lorentzian[parameters.component])
        keys = parameters.product * len(parameters.components) + parameters.component
        distinct, first = np.unique(keys[own], return_index=True)
        order = np.argsort(first)
        place = np.empty(order.size, np.int64)
        place[order] = np.arange(order.size)
        rows = {name: np.full(order.size, NONE, np.int64) for name in _OF_A_PEAK}
        for name, found in rows.items():
            named = own[parameters.is_named(name)[own]]
            found[place[np.searchsorted(distinct, keys[named])]] = named
        first = own[first[order]]
        codes = parameters.component[first]
        by_nu_max = np.array([_is_placed_by_nu_max(name) for name in parameters.components], bool)
        placed = np.where(
            by_nu_max[codes] & (rows["nu_max"] >= 0), rows["nu_max"], rows["frequency"]
        )
        at_bound = [pick(parameters.at_bound, found, False) for found in (rows["variance"], placed)]
        frequency = parameters.measured(rows["frequency"])
        return cls(
            product=parameters.product[first],
            component=np.array(parameters.components, object)[codes],
            is_blend=np.array(["+" in name for name in parameters.components], bool)[codes],
            frequency=frequency.value,
            fwhm=pick(parameters.value, rows["fwhm"], nan),
            variance=pick(parameters.value, rows["variance"], nan),
            frequency_error=(frequency.err_lo + frequency.err_hi) / 2,
            q_err_lo=pick(parameters.err_lo, rows["q"], nan),
            peak_power=pick(parameters.value, rows["peak_power"], nan),
            at_bound=at_bound[0] | at_bound[1],
            rows=rows,
        )


def is_peak(component: str) -> bool:
    """Return whether a component, by its name in the catalogue, is a Lorentzian or a blend of them."""
    return may_be_qpo(component)


def _is_placed_by_nu_max(component: str) -> bool:
    """Return whether the fitted parameter that is the place of a peak is nu_max."""
    declared = component_of(component)
    return declared is not None and declared.centre == "nu_max"


def members(component: str) -> tuple[str, ...]:
    """Return the Lorentzians that a component stands for: itself, or the members of a blend."""
    return tuple(component.split("+"))


def _codes(table: pa.Table, name: str) -> tuple[np.ndarray, list[str]]:
    """Return a column of words as places in the list of its different words."""
    column = pc.dictionary_encode(table.column(name).combine_chunks())
    return column.indices.to_numpy().astype(np.int64), column.dictionary.to_pylist()
