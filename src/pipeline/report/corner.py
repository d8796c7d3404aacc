"""Corner plots of kept draws, with the values of the catalogue marked."""

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

_BINS = 24
_MASSES = 0.865, 0.393
"""Posterior mass inside the contours: two and one standard deviation of a normal distribution of two variables."""
_WIDE = 10.0
"""Ratio of the largest to the smallest draw from which a parameter that is fitted by its logarithm is drawn so."""
_INK, _FILL, _PALE, _MARK = "#1f3a5f", "#9db8d6", "#d9e4f0", "#c2410c"


def corner_plot(samples: Sequence[Mapping], parameters: Sequence[Mapping]) -> str:
    """Return a corner plot as the address of an embedded PNG.

    Parameters
    ----------
    samples : sequence of mapping
        Rows of SAMPLES of one source and product, one a free parameter, with draws.
    parameters : sequence of mapping
        The rows of PARAMETERS of the same parameters, whose value and errors are marked.
    """
    image = io.BytesIO()
    figure(samples, parameters).savefig(image, format="png", dpi=80)
    return f"data:image/png;base64,{base64.b64encode(image.getvalue()).decode()}"


@dataclass(frozen=True)
class _Axis:
    """A parameter: its draws, edges of bins, whether it is drawn on a log scale, and its name."""

    value: np.ndarray
    edges: np.ndarray
    is_log: bool
    name: str

    @property
    def middles(self) -> np.ndarray:
        """Middles of the bins."""
        low, high = self.edges[:-1], self.edges[1:]
        return np.sqrt(low * high) if self.is_log else (low + high) / 2


def figure(samples: Sequence[Mapping], parameters: Sequence[Mapping]) -> Figure:
    """Return the figure: histograms on the diagonal, below it contours that hold 39.3 and 86.5 %."""
    axes = [_axis(row) for row in samples]
    size = len(axes)
    out = Figure(figsize=(1.2 + 1.45 * size, 1.2 + 1.45 * size))
    out.set_layout_engine(ConstrainedLayoutEngine(w_pad=0.01, h_pad=0.01, wspace=0.02, hspace=0.02))
    panels = out.subplots(size, size, squeeze=False)
    for i, y in enumerate(axes):
        for j, x in enumerate(axes):
            panel = panels[i, j]
            if j > i:
                panel.set_axis_off()
                continue
            if i == j:
                panel.hist(x.value, x.edges, color=_FILL, edgecolor=_INK, lw=0.3)
                panel.set_yticks([])
            else:
                _contours(panel, x, y)
                _frame(panel.yaxis, panel.set_yscale, panel.set_ylim, y)
                _mark(panel.axhline, panel.axhspan, parameters[i])
            _frame(panel.xaxis, panel.set_xscale, panel.set_xlim, x)
            _mark(panel.axvline, panel.axvspan, parameters[j])
            _label(panel, x.name if i == size - 1 else "", y.name if j == 0 < i else "")
    return out


def _axis(row: Mapping) -> _Axis:
    """Draws of a parameter and bins of equal width on the scale on which it is drawn."""
    value = np.asarray(row["value"], float)
    low, high = value.min(), value.max()
    unit = f" / {row['unit']}" if row["unit"] else ""
    name = f"{row['component']}\n{row['parameter']}{unit}"
    if not low < high:
        low, high = low - 0.5, high + 0.5
    is_log = bool(row["scale"] == "log" and high > _WIDE * low > 0)
    return _Axis(
        value, (np.geomspace if is_log else np.linspace)(low, high, _BINS + 1), is_log, name
    )


def _contours(panel: Axes, x: _Axis, y: _Axis) -> None:
    """Draw the regions of highest density that hold `_MASSES`, and the draws outside of them."""
    panel.plot(x.value, y.value, ".", ms=1, color=_FILL, rasterized=True, zorder=0)
    density = _smooth(np.histogram2d(x.value, y.value, (x.edges, y.edges))[0])
    levels = [*contour_levels(density, _MASSES), density.max()]
    if levels[0] < levels[1] < levels[2]:
        middles = x.middles, y.middles
        panel.contourf(*middles, density.T, levels, colors=[_PALE, _FILL])
        panel.contour(*middles, density.T, levels[:2], colors=_INK, linewidths=0.7)


def contour_levels(density: np.ndarray, masses: Sequence[float]) -> list[float]:
    """Return the densities above which the cells hold these fractions of the whole."""
    ordered = np.sort(density.ravel())[::-1]
    held = np.cumsum(ordered) / ordered.sum()
    return [float(ordered[min(np.searchsorted(held, mass), held.size - 1)]) for mass in masses]


def _smooth(counts: np.ndarray) -> np.ndarray:
    """Average counts with their neighbours, (1 2 1) / 4 along each axis, twice."""
    for _ in range(2):
        for axis in (0, 1):
            padded = np.pad(counts, [(1, 1) if k == axis else (0, 0) for k in (0, 1)], mode="edge")
            left, middle, right = (
                np.take(padded, range(k, k + counts.shape[axis]), axis=axis) for k in range(3)
            )
            counts = (left + 2 * middle + right) / 4
    return counts


def _frame(
    axis: Axis, set_scale: Callable[..., Any], set_limits: Callable[..., Any], shown: _Axis
) -> None:
    """Scale, limits and ticks."""
    if shown.is_log:
        set_scale("log")
    else:
        axis.set_major_locator(MaxNLocator(3, prune="both"))
    set_limits(shown.edges[0], shown.edges[-1])


def _mark(line: Callable[..., Any], span: Callable[..., Any], parameter: Mapping) -> None:
    """Mark the best value, and its 68.3 % interval where it is closed."""
    value = parameter["value"]
    low, high = value - parameter["err_lo"], value + parameter["err_hi"]
    line(value, color=_MARK, lw=0.9)
    if np.isfinite(low) and np.isfinite(high):
        span(low, high, color=_MARK, alpha=0.12, lw=0)


def _label(panel: Axes, x_name: str, y_name: str) -> None:
    """Names and numbers at the left and the bottom edge only: where there is a name."""
    panel.tick_params(labelsize=6, length=2)
    panel.tick_params(axis="x", which="both", rotation=45, labelbottom=bool(x_name))
    panel.tick_params(axis="y", which="both", labelleft=bool(y_name))
    panel.set_xlabel(x_name, fontsize=7)
    panel.set_ylabel(y_name, fontsize=7)
