"""The functions behind `pipeline.components.COMPONENTS`: power densities of frequency and parameters.

Each takes a `Grid` of frequencies and its parameters in the order of the declaration, in their own
units, and broadcasts. Derivatives come from autodiff, so a component is only its formula. Where the grid
has widths, what comes out is the mean over each bin.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import erf

from pipeline.fit.model.likelihood import log

NODES, WEIGHTS = (a.tolist() for a in np.polynomial.legendre.leggauss(5))
"""Of the quadrature over a bin, in log frequency: exact to 1e-8 for power laws over a factor of two."""
FWHM_OF_GAUSSIAN = 2 * math.sqrt(2 * math.log(2))
"""Full width at half maximum of a Gaussian over its standard deviation."""
LOWEST_EDGE = 0.1
"""Lower edge of a bin over its frequency, at least: some components have no mean over a bin that begins at 0."""


class Grid(NamedTuple):
    """Frequencies and their logarithms, arrays of one shape.

    The logarithm is taken once a spectrum: inside the iteration it would cost as much as a component.

    Attributes
    ----------
    frequency, log_frequency : array
        Hz, and its natural logarithm.
    width : array or None
        Widths of the bins, Hz, over which components are averaged; None: their values at the frequency.
    """

    frequency: jnp.ndarray
    log_frequency: jnp.ndarray
    width: jnp.ndarray | None = None

    @classmethod
    def of(cls, frequency, width=None) -> "Grid":
        """Make a grid of frequencies in Hz, and of the widths of bins to average over."""
        frequency = jnp.asarray(frequency)
        return cls(frequency, log(frequency), width)

    def edges(self):
        """Return the lower and upper edges of the bins, Hz."""
        half = self.width / 2
        return jnp.maximum(
            self.frequency - half, LOWEST_EDGE * self.frequency
        ), self.frequency + half


def constant(grid, level):
    """White noise: ``level`` (Leahy et al. 1983)."""
    return jnp.broadcast_to(level, jnp.broadcast_shapes(grid.frequency.shape, jnp.shape(level)))


def power_law(grid, amplitude, slope):
    """``amplitude f^-slope`` with the amplitude at 1 Hz (Vaughan 2005)."""
    if grid.width is None:
        return amplitude * jnp.exp(-slope * grid.log_frequency)
    low, high = grid.edges()
    span = log(high / low)
    middle, half = log(low) + span / 2, (1 - slope) * span / 2
    # the integral of f^-slope over a bin is f^(1 - slope) span sinh(half) / half at its middle
    square, near = half**2, jnp.abs(half) < 0.1
    up = jnp.exp(jnp.where(near, 1.0, half))
    series = 1 + square / 6 * (1 + square / 20 * (1 + square / 42))
    shape = jnp.where(near, series, (up - 1 / up) / (2 * jnp.where(near, 1.0, half)))
    return amplitude * jnp.exp((1 - slope) * middle) * span / (high - low) * shape


def bending_power_law(grid, amplitude, slope_low, slope_high, bend_frequency):
    """A power law that bends from ``slope_low`` to ``slope_high`` (McHardy et al. 2004, eq. 2)."""
    low = amplitude * jnp.exp(-slope_low * grid.log_frequency)
    ratio = jnp.exp((slope_high - slope_low) * (grid.log_frequency - jnp.log(bend_frequency)))
    return low / (1 + ratio)


def lorentzian(grid, variance, centroid, fwhm):
    """Lorentzian whose integral over all frequencies, negative ones too, is ``variance``.

    Belloni, Psaltis & van der Klis 2002, eq. 1, with half width Delta = fwhm / 2.
    """
    half = fwhm / 2
    if grid.width is None:
        return variance * half / jnp.pi * (half**2 + (grid.frequency - centroid) ** 2) ** -1
    low, high = (edge - centroid for edge in grid.edges())
    # the difference of two arcus tangens, without cancellation far from the peak
    inside = angle((high - low) * half, half**2 + low * high)
    return variance / jnp.pi * inside / (high - low)


@jax.custom_jvp
def angle(y, x):
    """Return ``arctan2(y, x)`` for y > 0, to 4e-16 of its value.

    XLA's own calls the scalar library function for each number, and with it a bin average would cost
    three times the value at the centre; this one vectorises. Rational approximation of the arcus
    tangens up to tan(pi / 8) and 0.66: Moshier 1989, Cephes.
    """
    steep = jnp.abs(x)
    larger, smaller = jnp.maximum(steep, y), jnp.minimum(steep, y)
    far = smaller > 0.66 * larger
    # one division: divisions are what it costs
    t = jnp.where(far, smaller - larger, smaller) / jnp.where(far, smaller + larger, larger)
    square = t * t
    above, below = (_polynomial(c, square) for c in (_ABOVE, _BELOW))
    inside = t + t * square * above / below + jnp.where(far, math.pi / 4, 0.0)
    turned = math.pi / 2 - jnp.sign(x) * inside
    return jnp.where(y > steep, turned, jnp.where(x > 0, inside, math.pi - inside))


@angle.defjvp
def _angle_jvp(arguments, tangents):
    """Differentiate `angle`; its arguments are divided by the larger, whose square may underflow."""
    (y, x), (dy, dx) = arguments, tangents
    per = 1 / jnp.maximum(jnp.abs(x), y)
    y_part, x_part = y * per, x * per
    per = per / (x_part**2 + y_part**2)
    return angle(y, x), x_part * per * dy - y_part * per * dx


_ABOVE = (
    -8.750608600031904122785e-1,
    -1.615753718733365076637e1,
    -7.500855792314704667340e1,
    -1.228866684490136173410e2,
    -6.485021904942025371773e1,
)
_BELOW = (
    1.0,
    2.485846490142306297962e1,
    1.650270098316988542046e2,
    4.328810604912902668951e2,
    4.853903996359136964868e2,
    1.945506571482613964425e2,
)


def _polynomial(coefficients, x):
    """Evaluate a polynomial, its highest coefficient first."""
    total = coefficients[0]
    for coefficient in coefficients[1:]:
        total = total * x + coefficient
    return total


def zero_lorentzian(grid, variance, fwhm):
    """`lorentzian` centred on zero frequency; ``variance / 2`` is at positive frequencies."""
    return lorentzian(grid, variance, 0.0, fwhm)


def lorentz(grid, variance, centroid, fwhm):
    """Lorentzian as XSPEC normalises it: its integral from zero to infinity is ``variance``."""
    return lorentzian(grid, variance / positive_fraction(centroid, fwhm), centroid, fwhm)


def positive_fraction(centroid, fwhm):
    """Fraction of a Lorentzian's integral that lies at positive frequencies."""
    return 0.5 + jnp.arctan(2 * centroid / fwhm) / jnp.pi


def centroid_and_fwhm(nu_max, q):
    """Centroid frequency and FWHM of a Lorentzian, from the frequency of its largest f P(f) and Q.

    Belloni, Psaltis & van der Klis 2002: nu_max^2 = nu0^2 + Delta^2 and Q = nu0 / (2 Delta).
    """
    half = nu_max / (1 + 4 * q**2) ** 0.5
    return 2 * q * half, 2 * half


def lorentzian_numax(grid, variance, nu_max, q):
    """`lorentzian` by the frequency of its largest f P(f) and Q (Belloni et al. 2002)."""
    return lorentzian(grid, variance, *centroid_and_fwhm(nu_max, q))


def gaussian(grid, variance, centroid, width):
    """Gaussian envelope whose integral over all frequencies is ``variance`` (Kallinger et al. 2014)."""
    if grid.width is None:
        height = variance / (width * jnp.sqrt(2 * jnp.pi))
        return height * jnp.exp(-0.5 * ((grid.frequency - centroid) / width) ** 2)
    low, high = grid.edges()
    below, above = (erf((edge - centroid) / (width * math.sqrt(2))) for edge in (low, high))
    return variance * (above - below) / (2 * (high - low))


def envelope(grid, variance, nu_max, q):
    """`gaussian` by its frequency and nu_max over its FWHM (Mosser et al. 2012).

    The width follows from the frequency, so a narrow line is no envelope, nor is what is left of the
    background.
    """
    return gaussian(grid, variance, nu_max, nu_max / (FWHM_OF_GAUSSIAN * q))


def harvey(grid, variance, characteristic_frequency, exponent):
    """Granulation or activity: its integral from zero to infinity is ``variance`` (Harvey 1985).

    The normalisation is 2 / pi for exponent 2 and 2 sqrt(2) / pi for 4 (Kallinger et al. 2014).
    """
    norm = exponent / jnp.pi * jnp.sin(jnp.pi / exponent) / characteristic_frequency
    ratio = jnp.exp(exponent * (grid.log_frequency - jnp.log(characteristic_frequency)))
    return variance * norm / (1 + ratio)


FUNCTIONS = {
    function.__name__: function
    for function in (
        constant,
        power_law,
        bending_power_law,
        lorentzian,
        zero_lorentzian,
        lorentz,
        lorentzian_numax,
        gaussian,
        envelope,
        harvey,
    )
}


KNOW_THEIR_MEAN = (
    "constant",
    "power_law",
    "lorentzian",
    "zero_lorentzian",
    "lorentz",
    "lorentzian_numax",
    "gaussian",
    "envelope",
)
"""Components whose functions average over the bins where the grid has widths; others are integrated."""


def evaluate(component, grid, *values):
    """Return the power density of a built-in or user-written component, of the shape of the grid.

    Where the grid has widths, its mean over each bin: exact where the component knows it, else by Gauss
    and Legendre's quadrature in log frequency, which wants a component that is smooth over a bin.

    Parameters
    ----------
    component : pipeline.components.Component
        What to evaluate.
    grid : Grid
        Frequencies, shape (bins, lanes) or (bins, 1).
    *values : array, shape (lanes,)
        Its parameters in their own units.
    """
    if grid.width is None or (component.function is None and component.name in KNOW_THEIR_MEAN):
        return _density(component, grid, values)
    low, high = grid.edges()
    start, span = log(low), log(high / low)
    total = 0.0
    for node, weight in zip(NODES, WEIGHTS, strict=True):
        at = start + (1 + node) / 2 * span
        frequency = jnp.exp(at)
        total = total + weight / 2 * frequency * _density(component, Grid(frequency, at), values)
    return total * span / (high - low)


def _density(component, grid, values):
    """Call the function of a component."""
    if component.function is None:
        return FUNCTIONS[component.name](grid, *values)
    # whose constants may be NumPy's, of double precision
    power = jnp.asarray(component.function(grid.frequency, *values), grid.frequency.dtype)
    return jnp.broadcast_to(power, jnp.broadcast_shapes(grid.frequency.shape, power.shape))
