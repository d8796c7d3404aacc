"""A power-spectral model: components in order, and the vector of their parameters.

The optimiser works with the vector u of shape (P, lanes): the natural logarithm of parameters that
are declared on a log scale, the value itself of the others. Frequencies have shape (bins, lanes) or
(bins, 1). The last axis is always the lane (a spectrum, or one start of it): reductions over bins then
vectorise across lanes.
"""

from dataclasses import dataclass
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np

from pipeline.fit.components import FUNCTIONS
from pipeline.fit.priors import log_prior
from pipeline.models import COMPONENTS


@dataclass(frozen=True)
class Slot:
    """One component in a model, with what is said of its parameters.

    Attributes
    ----------
    component : str
        A key of `pipeline.models.COMPONENTS`.
    number : int
        1 for the first of its kind in the model, 2 for the next.
    bounds : tuple of (lo, hi) or None
        One a parameter; None: the default of the declaration, narrowed to the data.
    priors : tuple of (name, arguments) or None
        One a parameter; None: flat in u inside the bounds.
    starts, fixed : tuple of float or None
        One a parameter; None: found from the data, and free.
    optional : bool
        Whether the copy is added only if it lowers the criterion.
    """

    component: str
    number: int
    bounds: tuple
    priors: tuple
    starts: tuple
    fixed: tuple
    optional: bool = False

    @property
    def label(self) -> str:
        """Name in the catalogue: ``lorentzian.1``."""
        return f"{self.component}.{self.number}"

    @property
    def parameters(self):
        """Declarations of the parameters, in order."""
        return COMPONENTS[self.component].parameters


@dataclass(frozen=True)
class Model:
    """Slots in order. Hashable by value: one compilation a model and shape."""

    name: str
    slots: tuple[Slot, ...]

    @classmethod
    def from_components(cls, name, components) -> "Model":
        """Build a model from component names or the configuration's component options.

        Parameters
        ----------
        name : str
            Its name.
        components : sequence of str or ComponentOptions
            Names, or objects with ``name``, ``up_to`` and ``parameters``.

        Raises
        ------
        KeyError
            For a component that does not exist.
        """
        slots, count = [], {}
        for component in components:
            kind = component if isinstance(component, str) else component.name
            told = {} if isinstance(component, str) else component.parameters
            up_to = 1 if isinstance(component, str) else component.up_to
            for copy in range(up_to):
                count[kind] = count.get(kind, 0) + 1
                slots.append(_slot(kind, count[kind], told, optional=copy > 0))
        return cls(name, tuple(slots))

    @cached_property
    def index(self) -> tuple[tuple[int, ...], ...]:
        """For each slot, the rows of u that are its parameters."""
        out, start = [], 0
        for slot in self.slots:
            out.append(tuple(range(start, start + len(slot.parameters))))
            start = out[-1][-1] + 1
        return tuple(out)

    @property
    def size(self) -> int:
        """Number of parameters, P."""
        return self.index[-1][-1] + 1

    @cached_property
    def is_log(self) -> np.ndarray:
        """Which rows of u are logarithms, shape (P,)."""
        return np.array([p.scale == "log" for s in self.slots for p in s.parameters])

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters: ``lorentzian.1.frequency``."""
        return tuple(f"{s.label}.{p.name}" for s in self.slots for p in s.parameters)

    def to_values(self, u):
        """Turn u, shape (P, …), into parameter values."""
        log = self.is_log.reshape(-1, *[1] * (np.ndim(u) - 1))
        return np.where(log, np.exp(np.where(log, u, 0.0)), u)

    def slot_of(self) -> np.ndarray:
        """For each parameter the number of its slot, shape (P,)."""
        return np.repeat(np.arange(len(self.slots)), [len(i) for i in self.index])

    def component_power(self, u, grid, active):
        """Return the power of each component, a list of arrays of shape (bins, lanes).

        ``active``, shape (slots, lanes), switches components off lane by lane.
        """
        return [
            jnp.where(active[s], self._component(s, [u[i] for i in index], grid), 0.0)
            for s, index in enumerate(self.index)
        ]

    def power(self, u, grid, active):
        """Return the sum of the components, shape (bins, lanes)."""
        return sum(self.component_power(u, grid, active))

    def power_and_tangents(self, u, grid, active):
        """Return the power and its derivative by each row of u, a list of P arrays.

        A parameter enters one component only, so each tangent costs one component.
        """
        total, tangents = 0.0, []
        for s, index in enumerate(self.index):
            rows = [u[i] for i in index]
            value = self._component(s, rows, grid)
            for k in range(len(rows)):
                tangents.append(jnp.where(active[s], self._tangent(s, rows, k, grid), 0.0))
            total = total + jnp.where(active[s], value, 0.0)
        return total, tangents

    def second_tangents(self, u, grid, active):
        """Return {(i, j): d2 power / du_i du_j} for i <= j in the same component."""
        out = {}
        for s, index in enumerate(self.index):
            rows = [u[i] for i in index]
            for a in range(len(rows)):
                for b in range(a, len(rows)):
                    second = self._second(s, rows, a, b, grid)
                    out[index[a], index[b]] = jnp.where(active[s], second, 0.0)
        return out

    def log_prior(self, u):
        """Return the logarithm of the prior density of u, and its two derivatives, shape (P, lanes).

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
        return tuple(jnp.stack(column) for column in zip(*rows, strict=True))

    def _component(self, s, rows, grid):
        declared = self.slots[s].parameters
        values = [
            jnp.exp(r) if p.scale == "log" else r for r, p in zip(rows, declared, strict=True)
        ]
        # once a lane: fused into what follows, XLA would compute the exponentials again in every bin
        values = jax.lax.optimization_barrier(values)
        return FUNCTIONS[self.slots[s].component](grid, *values)

    def _tangent(self, s, rows, k, grid):
        def along(x):
            return self._component(s, [*rows[:k], x, *rows[k + 1 :]], grid)

        return jax.jvp(along, (rows[k],), (jnp.ones_like(rows[k]),))[1]

    def _second(self, s, rows, a, b, grid):
        def along(x):
            return self._tangent(s, [*rows[:b], x, *rows[b + 1 :]], a, grid)

        return jax.jvp(along, (rows[b],), (jnp.ones_like(rows[b]),))[1]


def _slot(kind, number, told, optional):
    """Make a slot from what a configuration tells of its parameters."""

    def each(attribute, change=lambda value: value):
        values = [getattr(told.get(p.name), attribute, None) for p in COMPONENTS[kind].parameters]
        return tuple(None if v is None else change(v) for v in values)

    return Slot(
        kind,
        number,
        bounds=each("bounds", tuple),
        priors=each("prior", lambda prior: next((n, tuple(a)) for n, a in prior.items())),
        starts=each("start"),
        fixed=each("fixed"),
        optional=optional,
    )
