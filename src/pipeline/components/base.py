"""What a component of a power-spectral model is: one object that knows all there is to know of it.

Nothing here imports an array library, so that a configuration is checked without one. A method that computes
gets the functions of arrays as `xp`: `numpy`, or inside a fit `pipeline.fit.model.special`. Arrays of values
have shape (p, lanes), one row a parameter in the order of the declaration, in the parameters' own units.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from pipeline.components.arrays import Array, ArrayFunctions
from pipeline.components.measured import Extent, Sketch
from pipeline.components.parameters import (
    CENTRES,
    FWHM_OF_GAUSSIAN,
    WIDTHS,
    Parameter,
    narrowed,
)
from pipeline.components.quantities import Calibration, Derived

QUALITIES = (0.5, 1.2, 3.0, 7.0, 16.0, 40.0)
"""Quality factors of the peaks that are tried at each frequency."""
BROAD = 7.0
"""Quality factor up to which a peak is seen on averaged bins."""
EXPONENTS = (2.0, 4.0)
"""Exponents of the peaks around zero frequency that are tried at each frequency."""


def centroid_and_fwhm(nu_max: Array, q: Array) -> tuple[Array, Array]:
    """Return centroid frequency and FWHM of a Lorentzian, from the frequency of its largest f P(f) and Q.

    Belloni, Psaltis & van der Klis 2002: nu_max^2 = nu0^2 + Delta^2 and Q = nu0 / (2 Delta).
    """
    half = nu_max / (1 + 4 * q**2) ** 0.5
    return 2 * q * half, 2 * half


class ComponentError(ValueError):
    """A component that is named does not exist, or is not right; the message is one line."""


class Bins(Protocol):
    """Bins over which a formula is averaged: see `pipeline.fit.model.grid.Bins`."""

    @property
    def low(self) -> Array:
        """Lower edges, Hz."""

    @property
    def high(self) -> Array:
        """Upper edges, Hz."""

    @property
    def log_low(self) -> Array:
        """Logarithms of the lower edges."""

    @property
    def log_span(self) -> Array:
        """Logarithms of the ratios of the upper edges to the lower ones."""


class Grid(Protocol):
    """Frequencies at which a formula is evaluated: see `pipeline.fit.model.grid.Grid`."""

    @property
    def frequency(self) -> Array:
        """Frequencies, Hz."""

    @property
    def log_frequency(self) -> Array:
        """Their natural logarithm."""

    @property
    def width(self) -> Array | None:
        """Widths of the bins to average over, Hz; None: the density at the frequencies is wanted."""

    @property
    def bins(self) -> Bins | None:
        """The bins with the logarithms of their edges, for components that know their mean; None as above."""

    def edges(self) -> tuple[Array, Array]:
        """Lower and upper edges of the bins, Hz."""


@dataclass(frozen=True)
class Rewritten:
    """Other values of the fitted variables of a component with which its power is the same.

    Attributes
    ----------
    u : array, shape (p, lanes)
        The other values, on the declared scales.
    preferred : bool array, shape (lanes,)
        Where they are the ones to publish.
    changed : tuple of int
        Rows that differ.
    order : tuple of int
        Which row each one has taken over its bounds from.
    """

    u: Array
    preferred: Array
    changed: tuple[int, ...]
    order: tuple[int, ...]


@dataclass(frozen=True)
class Component:
    """A component: its parameters in order, the formula they enter, and what follows from them.

    A component with a `function` is complete: starts and bounds follow from the names of its parameters. One
    that is built in is of a subclass, which gives the formula as `density` and what else it knows.

    Attributes
    ----------
    name : str
        Its name in the catalogue, and of a built-in component in the configuration.
    parameters : tuple of Parameter
        In the order in which the function takes them.
    formula, source : str
        The power density, and the paper it is from.
    peak : bool, optional
        Whether it is found in the residuals of the others rather than started with them. It needs a
        `variance`, and a place: `frequency`, `nu_max`, `characteristic_frequency` or `fwhm`.
    function : callable, optional
        Power density of a component that is not built in: ``function(frequency, *parameters)``, arrays
        of frequencies in Hz and of parameters in their units that broadcast, written with jax.numpy.
    """

    name: str
    parameters: tuple[Parameter, ...]
    formula: str
    source: str
    peak: bool = False
    function: Callable | None = None

    knows_mean: ClassVar[bool] = False
    """Whether `density` averages over the bins where the grid has widths; else the fit integrates it."""
    is_white_noise: ClassVar[bool] = False
    """Whether it is the level of white noise, which may be none where noise was subtracted."""
    source_columns: ClassVar[Mapping[str, str]] = {}
    """Columns of the catalogue's table SOURCES that its parameters fill."""

    def parameter(self, name: str) -> Parameter:
        """Return the parameter called `name`; raises KeyError if there is none."""
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        raise KeyError(name)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters, in order."""
        return tuple(p.name for p in self.parameters)

    @property
    def may_be_qpo(self) -> bool:
        """Whether it may be a quasi-periodic oscillation: fitted or derived, it has frequency and fwhm."""
        return False

    @property
    def centre(self) -> str | None:
        """Name of the parameter that is the place of a peak; None if it has none."""
        return next((name for name in CENTRES if name in self.names), None)

    @property
    def width(self) -> str | None:
        """Name of the parameter that is the width of a peak; None if it has none."""
        return next((name for name in WIDTHS if name in self.names), None)

    @property
    def quality_exponents(self) -> Mapping[str, int]:
        """Exponents of the parameters in the quality factor of a peak; empty where they do not give it."""
        if "q" in self.names:
            return {"q": 1}
        return {"frequency": 1, "fwhm": -1} if {"frequency", "fwhm"} <= set(self.names) else {}

    @property
    def scale_names(self) -> tuple[str, ...]:
        """Names of the parameters that say where a peak is and how wide."""
        return tuple(name for name in self.names if name in (*CENTRES, *WIDTHS, "q"))

    def density(self, xp: ArrayFunctions, grid: Grid, values: Sequence[Array]) -> Array:
        """Return the power density, of the shape of the grid.

        Parameters
        ----------
        xp : module
            Functions of arrays: `pipeline.fit.model.special`.
        grid : Grid
            Frequencies, shape (bins, lanes) or (bins, 1).
        values : sequence of array, shape (lanes,)
            Parameters in their own units.
        """
        if self.function is None:
            raise NotImplementedError(f"{self.name} has neither function nor density")
        # whose constants may be NumPy's, of double precision
        power = xp.asarray(self.function(grid.frequency, *values), grid.frequency.dtype)
        return xp.broadcast_to(power, xp.broadcast_shapes(grid.frequency.shape, power.shape))

    def bounds(self, extent: Extent, xp: ArrayFunctions) -> list[tuple[Array, Array]]:
        """Return default bounds of the parameters: those declared, narrowed to what the data can tell.

        Whoever writes a component of one's own has declared its bounds on purpose; they are kept.
        """
        if self.function is not None:
            return [p.bounds for p in self.parameters]
        return [narrowed(p, extent.bounds(p.name), xp) for p in self.parameters]

    def starts(self, sketch: Sketch, xp: ArrayFunctions) -> list[Array]:
        """Return starting values of the parameters from what the spectra look like.

        Of a peak they are neutral ones: its place is found in the residuals of the other components.
        """
        found = [sketch.start(p.name, self.names, xp) for p in self.parameters]
        return [
            p.default_start(sketch.number) if value is None else value
            for p, value in zip(self.parameters, found, strict=True)
        ]

    @property
    def trials(self) -> tuple[float, ...]:
        """Shapes of a peak that are tried at each frequency: its quality factors or its exponents."""
        if "exponent" in self.names:
            return EXPONENTS
        return QUALITIES if {"frequency", "nu_max"} & set(self.names) else (0.5,)

    @property
    def broad_trials(self) -> tuple[float, ...]:
        """Those of the shapes that are broad enough to be seen on averaged bins."""
        return tuple(t for t in self.trials if t <= BROAD or "exponent" in self.names)

    def peak_at(
        self, variance: Array, centre: Array, trial: Array, narrowest: Array, xp: ArrayFunctions
    ) -> list[Array]:
        """Return the values of the parameters of a peak at a frequency.

        Parameters
        ----------
        variance, centre : array
            Its integral, and its frequency in Hz.
        trial : float or array
            Its shape, one of `trials`.
        narrowest : array
            Least full width at half maximum, Hz.
        xp : module
            Functions of arrays.
        """
        width = centre / trial
        if not {"frequency", "nu_max"} & set(self.names):
            width = 2 * centre  # at zero frequency: half its width is where it turns over
        fwhm = xp.maximum(width, narrowest)
        known = {
            "variance": variance,
            "frequency": centre,
            "fwhm": fwhm,
            "width": fwhm / FWHM_OF_GAUSSIAN,
            "nu_max": xp.sqrt(centre**2 + fwhm**2 / 4),
            "q": centre / fwhm,
            "characteristic_frequency": centre,
            "exponent": trial,
        }
        return [known.get(p.name, p.default_start()) for p in self.parameters]

    def place(self, values: Array) -> tuple[Array, Array] | None:
        """Return centroid frequency and FWHM of a peak, Hz, shape (lanes,); None if it has none."""
        if not self.peak:
            return None
        of = dict(zip(self.names, values, strict=True))
        if {"nu_max", "q"} <= of.keys():
            return centroid_and_fwhm(of["nu_max"], of["q"])
        if "frequency" not in of or self.width is None:
            return None
        return of["frequency"], of[self.width] * WIDTHS[self.width]

    def derived(self, values: Array, calibration: Calibration) -> list[Derived]:
        """Return the quantities that follow from the parameters.

        Parameters
        ----------
        values : array, shape (p, lanes)
            Parameters in their own units.
        calibration : Calibration
            Of the spectra.

        Returns
        -------
        list of Derived
            The same quantities in the same order in all lanes.
        """
        return []

    def rewritten(self, u: Array) -> Rewritten | None:
        """Return other values of the fitted variables with the same power; None if there are none.

        Parameters
        ----------
        u : array, shape (p, lanes)
            Fitted variables on the declared scales: logarithms of "log" parameters, else the values.
        """
        return None
