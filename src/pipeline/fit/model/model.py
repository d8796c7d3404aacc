"""A power-spectral model: components in order, and the vector of their parameters.

The optimiser works with the vector u of shape (P, lanes): the natural logarithm of parameters that
are declared on a log scale, the value itself of the others. Frequencies have shape (bins, lanes) or
(bins, 1). The last axis is always the lane (a spectrum, or one start of it): reductions over bins then
vectorise across lanes.
"""

import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, reduce
from typing import Any, NamedTuple, SupportsIndex

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from pipeline.components.base import Component
from pipeline.fit.model.grid import AnyArray, Grid, evaluate
from pipeline.fit.model.priors import log_prior
from pipeline.fit.model.slots import Slot, declared_of, make_slot

Rows = Sequence[Any] | AnyArray
"""The rows of u, each an array of shape (lanes,)."""


class Tie(NamedTuple):
    """A parameter that is another one times a factor.

    Attributes
    ----------
    row, target : int
        Rows of u: of the parameter, and of the one that it is tied to.
    factor : float
        How many times the target it is.
    slope : float
        Derivative of its row of u by the target's.
    """

    row: int
    target: int
    factor: float
    slope: float


class LogPrior(NamedTuple):
    """The logarithm of a prior density, row by row of u; shape (P, lanes) each.

    Attributes
    ----------
    value, slope, curvature : array
        The logarithm, and its first and second derivative.
    """

    value: Float[Array, "P lanes"]
    slope: Float[Array, "P lanes"]
    curvature: Float[Array, "P lanes"]


@dataclass(frozen=True)
class Model:
    """Slots in order. Hashable by value, but for the name: one compilation a model and shape."""

    name: str = field(compare=False)
    slots: tuple[Slot, ...]

    @classmethod
    def from_components(cls, name: str, components: Iterable[Any]) -> "Model":
        """Build a model from component names or the configuration's component options.

        Parameters
        ----------
        name : str
            Its name.
        components : sequence of str, Component, mapping or ComponentOptions
            Names, declarations, mappings as in a configuration (``{"lorentzian": {"up_to": 3}}``), or
            objects with ``name``, ``up_to`` and ``parameters``.

        Raises
        ------
        pipeline.components.ComponentError
            For a component that does not exist.
        pipeline.config.base.ConfigError
            For a mapping that says something that is not allowed; a ValueError.
        KeyError
            For a parameter that is tied to one that does not exist.
        """
        slots: list[Slot] = []
        count: dict[str, int] = {}
        for component in components:
            asked = _Asked.of(component)
            kind = asked.declared.name
            for copy in range(asked.up_to):
                count[kind] = count.get(kind, 0) + 1
                slot = make_slot(asked.declared, count[kind], asked.options, optional=copy > 0)
                slots.append(slot)
        model = cls(name, tuple(slots))
        _ = model.ties  # a tie to nothing is an error here, not in the middle of a fit
        return model

    @cached_property
    def index(self) -> tuple[tuple[int, ...], ...]:
        """For each slot, the rows of u that are its parameters."""
        ends = np.cumsum([len(slot.parameters) for slot in self.slots]).tolist()
        return tuple(
            tuple(range(end - len(slot.parameters), end))
            for slot, end in zip(self.slots, ends, strict=True)
        )

    def rows_of(self, slot: SupportsIndex) -> dict[str, int]:
        """Return the rows of u that are the parameters of a slot, by their names in the component."""
        return dict(zip(self.slots[slot].declared.names, self.index[slot], strict=True))

    @property
    def size(self) -> int:
        """Number of parameters, P."""
        return self.index[-1][-1] + 1

    @cached_property
    def is_log(self) -> Bool[np.ndarray, " P"]:
        """Which rows of u are logarithms, shape (P,); a tied row is what the other one is."""
        scales = [
            scale or p.scale
            for slot in self.slots
            for scale, p in zip(slot.scales, slot.parameters, strict=True)
        ]
        out = np.array([scale == "log" for scale in scales])
        for tied in self._tied_rows:
            out[tied.row] = out[tied.target]
        return out

    @cached_property
    def is_amplitude(self) -> Bool[np.ndarray, " P"]:
        """Which parameters the power of their component is proportional to, shape (P,)."""
        return np.array([p.is_amplitude for slot in self.slots for p in slot.parameters])

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters: ``lorentzian.1.frequency``."""
        return tuple(f"{s.label}.{p.name}" for s in self.slots for p in s.parameters)

    @cached_property
    def _tied_rows(self) -> tuple["_TiedRow", ...]:
        """Row, target and factor of each tied parameter."""
        rows = {name: row for row, name in enumerate(self.names)}
        ties = [tie for slot in self.slots for tie in slot.ties]
        return tuple(
            _TiedRow(row, rows[tie.name], tie.factor)
            for row, tie in enumerate(ties)
            if tie is not None
        )

    @cached_property
    def ties(self) -> tuple[Tie, ...]:
        """The tied parameters; none is tied to another tied one.

        Raises
        ------
        KeyError
            Where a parameter is tied to one that is not in the model.
        """
        return tuple(
            Tie(
                tied.row, tied.target, tied.factor, 1.0 if self.is_log[tied.target] else tied.factor
            )
            for tied in self._tied_rows
        )

    def without(self, slot: int) -> "Model | None":
        """Return the model without a component; None where another one is tied to it."""
        rows = self.index[slot]
        if any(tie.target in rows and tie.row not in rows for tie in self.ties):
            return None
        return Model(self.name, (*self.slots[:slot], *self.slots[slot + 1 :]))

    @cached_property
    def enters(self) -> Bool[np.ndarray, "P slots"]:
        """Which components each parameter enters, by ties too; a tied parameter enters none."""
        out = self.slot_of()[:, None] == np.arange(len(self.slots))
        for tie in self.ties:
            out[tie.target] |= out[tie.row]
        out[[tie.row for tie in self.ties]] = False
        return out

    def free(self, active: Bool[np.ndarray, "slots lanes"]) -> Bool[np.ndarray, "P lanes"]:
        """Return which parameters have a degree of freedom of their own, shape (P, lanes).

        ``active``, shape (slots, lanes), says which components there are.
        """
        return self.enters @ np.asarray(active, bool)

    def tied(self, u: Float[AnyArray, "P ..."]) -> Float[np.ndarray, "P ..."]:
        """Return u, shape (P, …), with the rows of tied parameters set from those they are tied to."""
        if not self.ties:
            return np.asarray(u)
        out = np.array(u)
        for tie in self.ties:
            out[tie.row] = self._tied_value(out, tie)
        return out

    def tied_covariance(
        self, matrix: Float[AnyArray, "P P lanes"]
    ) -> Float[np.ndarray, "P P lanes"]:
        """Return the covariance, shape (P, P, lanes), with the rows of tied parameters filled in."""
        if not self.ties:
            return np.asarray(matrix)
        slopes = np.eye(self.size)
        for tie in self.ties:
            slopes[tie.row] = tie.slope * slopes[tie.target]
        return np.einsum("ik,klm,jl->ijm", slopes, matrix, slopes)

    def to_values(self, u: Float[AnyArray, "P ..."]) -> Float[np.ndarray, "P ..."]:
        """Turn u, shape (P, …), into parameter values, those of tied parameters included."""
        u = self.tied(u)
        log = self.is_log.reshape(-1, *[1] * (np.ndim(u) - 1))
        return np.where(log, np.exp(np.where(log, u, 0.0)), u)

    def slot_of(self) -> Int[np.ndarray, " P"]:
        """For each parameter the number of its slot."""
        return np.repeat(np.arange(len(self.slots)), [len(i) for i in self.index])

    def component_power(
        self, u: Rows, grid: Grid, active: Bool[AnyArray, "slots _"]
    ) -> list[Float[Array, "bins lanes"]]:
        """Return the power of each component, a list of arrays of shape (bins, lanes).

        ``active``, shape (slots, lanes), switches components off lane by lane.
        """
        rows = self._rows(u)
        return [
            jnp.where(active[s], self._component(s, [rows[i] for i in index], grid), 0.0)
            for s, index in enumerate(self.index)
        ]

    def power(
        self, u: Rows, grid: Grid, active: Bool[AnyArray, "slots _"]
    ) -> Float[Array, "bins lanes"]:
        """Return the sum of the components, shape (bins, lanes)."""
        return reduce(operator.add, self.component_power(u, grid, active))

    def power_and_tangents(
        self, u: Rows, grid: Grid, active: Bool[AnyArray, "slots _"]
    ) -> tuple[Float[Array, "bins lanes"], list[Float[Array, "bins _"]]]:
        """Return the power and its derivative by each row of u, a list of P arrays.

        A parameter enters one component only, so each tangent costs one component. That of a tied
        parameter goes to the one it is tied to, and its own is zero.
        """
        total: Any = 0.0
        tangents: list[Any] = []
        all_rows = self._rows(u)
        for s, index in enumerate(self.index):
            rows = [all_rows[i] for i in index]
            value = self._component(s, rows, grid)
            for k in range(len(rows)):
                tangents.append(jnp.where(active[s], self._tangent(s, rows, k, grid), 0.0))
            total = total + jnp.where(active[s], value, 0.0)
        for tie in self.ties:
            tangents[tie.target] = tangents[tie.target] + tie.slope * tangents[tie.row]
            tangents[tie.row] = jnp.zeros_like(tangents[tie.row])
        return total, tangents

    def second_tangents(
        self, u: Rows, grid: Grid, active: Bool[AnyArray, "slots _"]
    ) -> dict[tuple[int, int], Float[Array, "bins lanes"]]:
        """Return {(i, j): d2 power / du_i du_j} for i <= j, where it is not zero throughout."""
        out: dict[tuple[int, int], Any] = {}
        all_rows = self._rows(u)
        ties = {tie.row: tie for tie in self.ties}
        for s, index in enumerate(self.index):
            rows = [all_rows[i] for i in index]
            for a in range(len(rows)):
                for b in range(a, len(rows)):
                    second = jnp.where(active[s], self._second(s, rows, a, b, grid), 0.0)
                    pair, times = [index[a], index[b]], 1.0
                    for k, row in enumerate(pair):
                        if row in ties:
                            pair[k], times = ties[row].target, times * ties[row].slope
                    if pair[0] == pair[1] and a != b:  # both d2/du_a du_b and d2/du_b du_a
                        times *= 2
                    i, j = sorted(pair)
                    out[i, j] = out.get((i, j), 0.0) + (second if times == 1 else times * second)
        return out

    def log_prior(self, u: Rows) -> LogPrior:
        """Return the logarithm of the prior density of u, and its two derivatives.

        A prior is stated for the parameter; its density is carried over to u, so a log-uniform prior
        is flat in u and the most probable value under it is the most likely one.
        """
        rows = []
        for slot, index in zip(self.slots, self.index, strict=True):
            for i, prior in zip(index, slot.priors, strict=True):
                density = log_prior(prior, bool(self.is_log[i]))
                first = jax.grad(lambda x, f=density: jnp.sum(f(x)))
                second = jax.grad(lambda x, f=first: jnp.sum(f(x)))
                rows.append((density(u[i]), first(u[i]), second(u[i])))
        return LogPrior(*(jnp.stack(column) for column in zip(*rows, strict=True)))

    def _tied_value(self, rows: Rows, tie: Tie) -> Any:
        """Row of u of a tied parameter."""
        if self.is_log[tie.target]:
            return rows[tie.target] + math.log(tie.factor)
        return rows[tie.target] * tie.factor

    def _rows(self, u: Rows) -> Any:
        """Rows of u, those of tied parameters set from those they are tied to."""
        rows: Any = list(u) if self.ties else u
        for tie in self.ties:
            rows[tie.row] = self._tied_value(rows, tie)
        return rows

    def _component(self, s, rows, grid):
        log = [self.is_log[i] for i in self.index[s]]
        values = [jnp.exp(r) if is_log else r for r, is_log in zip(rows, log, strict=True)]
        return evaluate(self.slots[s].declared, grid, values)

    def _tangent(self, s, rows, k, grid):
        def along(x):
            return self._component(s, [*rows[:k], x, *rows[k + 1 :]], grid)

        return jax.jvp(along, (rows[k],), (jnp.ones_like(rows[k]),))[1]

    def _second(self, s, rows, a, b, grid):
        for k, other in ((a, b), (b, a)):  # the component is proportional to exp(u_k)
            if self.slots[s].parameters[k].is_amplitude and self.is_log[self.index[s][k]]:
                return self._tangent(s, rows, other, grid)

        def along(x):
            return self._tangent(s, [*rows[:b], x, *rows[b + 1 :]], a, grid)

        return jax.jvp(along, (rows[b],), (jnp.ones_like(rows[b]),))[1]


class _TiedRow(NamedTuple):
    """A row of u that is tied to another one."""

    row: int
    target: int
    factor: float


class _Asked(NamedTuple):
    """A component that is asked for, how many copies of it at most, and options of its parameters."""

    declared: Component
    up_to: int
    options: Mapping[str, Any]

    @classmethod
    def of(cls, component: Any) -> "_Asked":
        """Return what a name, a declaration, a mapping or component options ask for."""
        if isinstance(component, (str, Component)):
            return cls(declared_of(component), 1, {})
        if isinstance(component, dict):
            from pipeline.config.models import (
                ComponentOptions,  # not needed by who gives no mapping
            )
            from pipeline.config.validation import validate_section

            component = validate_section(component, ComponentOptions)
        return cls(declared_of(component.name), component.up_to, component.parameters)
