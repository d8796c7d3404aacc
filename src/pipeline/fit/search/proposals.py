"""Where to begin with one more peak: the places where the residuals of the other components call most for one.

A peak of each trial shape is scored at many frequencies (`pipeline.fit.objectives.templates`). The maxima of the scores
that do not overlap are the starts. Spectra of the same bins are scored together.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, SupportsIndex

import jax
import numpy as np
from jaxtyping import Bool, Float, Int

from pipeline.components.base import Component
from pipeline.fit.engine.ahead import Foreseen
from pipeline.fit.engine.blocks import in_blocks
from pipeline.fit.engine.compilation import stored
from pipeline.fit.engine.devices import devices_of
from pipeline.fit.model.model import Model
from pipeline.fit.model.padding import padded_length
from pipeline.fit.objectives import templates
from pipeline.fit.objectives.peaks import Reach, reach_of
from pipeline.fit.objectives.spectra import Spectra, is_long, rebinned
from pipeline.fit.search.starts import fitted

MAX_CANDIDATES = 160
"""Frequencies at which a peak is tried, at most."""
LEAST_RIVAL = 0.4
"""A place is worth a start if its score is at least this part of the best one."""
MODES = 2
"""Starts up to which all of them follow from the scores."""
NEAREST = 2.0
"""Places whose frequencies differ by this factor are never the same, however broad the peaks are."""
FEW = 8
"""Spectra of the same bins up to which a smaller block is used."""

_templates = stored(static=2)(templates.templates)
_matches = stored(static=2)(templates.matches)


class Proposal(NamedTuple):
    """Starts with a peak more.

    Attributes
    ----------
    u : array, shape (count, P, lanes)
        The most promising first.
    worth : bool array, shape (count, lanes)
        Which of them are worth a try; the first always is.
    """

    u: Float[np.ndarray, "count P lanes"]
    worth: Bool[np.ndarray, "count lanes"]


class _Places(NamedTuple):
    """The best places of a peak, the best first; shape (count, lanes) each.

    Attributes
    ----------
    score, frequency, trial, variance : array
        By how much the deviance would fall, Hz, one of the component's trial shapes, and the integral.
    """

    score: Float[np.ndarray, "count lanes"]
    frequency: Float[np.ndarray, "count lanes"]
    trial: Float[np.ndarray, "count lanes"]
    variance: Float[np.ndarray, "count lanes"]


def propose(
    model: Model,
    slot: SupportsIndex,
    likelihood: str,
    spectra: Spectra,
    u: Float[np.ndarray, "P lanes"],
    active: Bool[np.ndarray, "slots lanes"],
    lower: Float[np.ndarray, "P lanes"],
    upper: Float[np.ndarray, "P lanes"],
    count: int,
    block_size: int = 64,
) -> Proposal:
    """Propose `count` starts in which the peak in `slot` joins the components that are active.

    Parameters
    ----------
    model : Model
        What is fitted.
    slot : int
        Number of the slot; its component is a peak.
    likelihood : str
        See `pipeline.fit.model.likelihood.terms`.
    spectra : Spectra
        Arrays of shape (bins, lanes).
    u, active : array, shape (P, lanes) and (slots, lanes)
        The fit so far and its components.
    lower, upper : array, shape (P, lanes)
        Bounds; the peak is looked for inside those of its frequency.
    count : int
        Starts to return.
    block_size : int, optional
        Lanes that are scored at a time.

    Returns
    -------
    Proposal
        Starts: `u` with the rows of the slot replaced.

    Raises
    ------
    ValueError
        If the component is not a peak.
    """
    declared = model.slots[slot].declared
    if not declared.peak:
        raise ValueError(f"{declared.name} is not a peak")
    lower, upper = _pinned(model, slot, u, lower, upper)
    reach = reach_of(model, slot, lower, upper, np)
    places = np.empty((4, count, u.shape[1]))
    scorer = _Scorer(model, likelihood, declared, block_size)
    for lanes in _alike(spectra, reach):
        some, own = spectra.take(lanes), reach.take(lanes[:1])
        places[:, :, lanes] = scorer.places(some, own, u[:, lanes], active[:, lanes], count)
    found = _Places(*places)
    given = any(start is not None for start in model.slots[slot].starts)
    starts = np.repeat(u[None], count, axis=0)
    for k in range(count):
        # given values come first, and then the same place without them
        at = max(k - 1, 0) if given else k
        size = np.maximum(found.variance[at], 1e-300)
        values = declared.peak_at(size, found.frequency[at], found.trial[at], reach.narrowest, np)
        told = model.slots[slot].starts
        for row, value, start in zip(model.index[slot], values, told, strict=True):
            starts[k, row] = fitted(model, row, value if start is None or k else start)
    worth = found.score > LEAST_RIVAL * found.score[:1]
    worth[: 1 + given] = True
    if count > MODES:
        worth[-1] |= found.score[-1] > 0
    return Proposal(np.clip(starts, lower, upper), worth)


class _Scorer(NamedTuple):
    """Finds the best places of a peak."""

    model: Model
    likelihood: str
    declared: Component
    block_size: int

    def places(self, spectra: Spectra, reach: Reach, u, active, count: int) -> _Places:
        """Return the places in spectra that have the same bins, and the same reach of shape (1,)."""
        first = spectra.take([0])
        candidates = _candidates(first, reach)
        trials: list[float] = []
        parts: list[templates.Matches] = []
        for averaged, shapes in _tried(self.declared, spectra):
            if shapes:
                bins = _averaged(first) if averaged else first
                mine = _averaged(spectra) if averaged else spectra
                found = self._scored(mine, bins, candidates, reach, shapes, u, active)
                parts.append(found._replace(shape=found.shape + len(trials)))
                trials += shapes
        best = parts[0]
        for other in parts[1:]:
            best = _better(best, other)
        return _maxima(best, candidates, np.array(trials), reach.narrowest, count)

    def _scored(self, spectra, bins, candidates, reach, shapes, u, active) -> templates.Matches:
        """Score shapes at the candidates; arrays of NumPy."""
        # single precision tells which is best
        width = None if bins.width is None else _single(bins.width)
        grid = _single(bins.frequency), width, _single(candidates[:, 0]), _single(reach.narrowest)
        # committed to a device, as in `in_blocks`: or there are two programs
        grid = jax.device_put(grid, devices_of()[0])
        known = _templates.of(self.declared, shapes)(*grid)
        program = _matches.of(self.model, self.likelihood)

        def function(power, weight, u, active):
            own = Spectra(_single(bins.frequency), power, weight, width)
            return program(known, own, u, active)

        weight = np.broadcast_to(_single(spectra.weight), spectra.power.shape)
        lanes = _single(spectra.power), weight, _single(u), active
        block_size = min(self.block_size, FEW) if u.shape[1] <= FEW else self.block_size
        found: list[Any] = in_blocks(function, lanes, block_size)
        return templates.Matches(*found)


def _better(one: templates.Matches, other: templates.Matches) -> templates.Matches:
    """Return the higher of two scores at each frequency."""
    better = other.score > one.score
    pairs = zip(one[:3], other[:3], strict=True)
    chosen: list[Any] = [*(np.where(better, b, a) for a, b in pairs), *one[3:]]
    return templates.Matches(*chosen)


def _single(values: Any) -> np.ndarray:
    return np.asarray(values, np.float32)


def _tried(declared: Component, spectra: Spectra) -> list[tuple[bool, tuple[float, ...]]]:
    """Return the shapes of a peak that are scored together, and whether on averaged bins, which is cheaper."""
    if not is_long(spectra):
        return [(False, declared.trials)]
    broad = declared.broad_trials
    return [(True, broad), (False, tuple(t for t in declared.trials if t not in broad))]


def _averaged(spectra: Spectra) -> Spectra:
    """Average the bins of long spectra; where these are does not depend on the weights."""
    used = (spectra.weight > 0).astype(float)
    bins = rebinned(spectra.take([0])._replace(weight=used[:, :1]), np)
    return rebinned(spectra, np)._replace(frequency=bins.frequency, width=bins.width)


def _alike(spectra: Spectra, reach: Reach) -> list[Int[np.ndarray, " some"]]:
    """Return the numbers of the spectra that have the same bins and the same reach, group by group."""
    used = np.asarray(spectra.weight) > 0
    arrays = [spectra.frequency, used, reach.low[None], reach.high[None], reach.narrowest[None]]
    arrays += [] if spectra.width is None else [spectra.width]
    own = [np.asarray(a) for a in arrays if np.shape(a)[1] > 1]
    lanes = spectra.power.shape[1]
    differs = np.zeros(lanes, bool)
    differs[:1] = True
    for array in own:
        differs[1:] |= (array[:, 1:] != array[:, :-1]).any(axis=0)
    groups: dict[bytes, list[np.ndarray]] = {}
    for run in np.split(np.arange(lanes), np.flatnonzero(differs)[1:]):
        name = b"".join(array[:, run[0]].tobytes() for array in own)
        groups.setdefault(name, []).append(run)
    return [np.concatenate(runs) for runs in groups.values()]


def _maxima(found: templates.Matches, candidates, trials, narrowest, count: int) -> _Places:
    """Return the highest scores whose peaks do not overlap; of more than `MODES`, the last is the best broad peak.

    A broad peak may take the place of another component, which the scores do not tell: its score is 0 only where it
    is the highest.
    """
    candidates, trial = _single(candidates), _single(trials)[found.shape]
    width = np.maximum(candidates / trial, _single(narrowest))
    left, lanes = found.score.copy(), np.arange(found.score.shape[1])
    picked: list[tuple[Any, ...]] = []
    highest = count - 1 if count > MODES else count
    for k in range(highest):
        place = np.argmax(left, axis=0)
        at = place, lanes
        centre = candidates[place, 0]
        picked.append((left[at], centre, trial[at], found.variance[at]))
        if k + 1 < highest:
            near = np.abs(candidates - centre) < 0.5 * (width + width[at])
            near &= (candidates < NEAREST * centre) & (centre < NEAREST * candidates)
            left[near] = 0.0
    if count > highest:
        place = np.argmax(found.first_score, axis=0)
        at, centre = (place, lanes), candidates[place, 0]
        known = (picked[0][1] == centre) & (picked[0][2] == trials[0])
        score = np.where(known, 0.0, found.first_score[at])
        picked.append((score, centre, np.full(lanes.size, trials[0]), found.first_variance[at]))
    return _Places(*(np.array(column) for column in zip(*picked, strict=True)))


def foreseen(
    model: Model,
    likelihood: str,
    spectra: Spectra,
    device: jax.Device,
    peak: Component | None = None,
    block_size: int = 64,
) -> Iterator[Foreseen]:
    """Yield the programs of `propose` for many spectra that have the same bins.

    They are those of one peak of the model, or by default of all. The spectra may be few.
    """
    peaks = dict.fromkeys(slot.declared for slot in model.slots if slot.declared.peak)

    def of(*shape, kind=np.float32):
        return jax.ShapeDtypeStruct(shape, kind)

    for declared in peaks if peak is None else (peak,):
        count = min(spectra.frequency.shape[0], MAX_CANDIDATES)
        for averaged, shapes in _tried(declared, spectra):
            if not shapes:
                continue
            mine = _averaged(spectra) if averaged else spectra
            bins = mine.power.shape[0]
            width = None if mine.width is None else of(bins, 1)
            scored = of(bins, len(shapes) * count)
            known = templates.Templates(scored, scored, of(len(shapes), count))
            lanes = of(bins, block_size)
            yield Foreseen(
                _templates.of(declared, shapes), (of(bins, 1), width, of(count), of(1)), device
            )
            yield Foreseen(
                _matches.of(model, likelihood),
                (
                    known,
                    Spectra(of(bins, 1), lanes, lanes, width),
                    of(model.size, block_size),
                    of(len(model.slots), block_size, kind=bool),
                ),
                device,
            )


def _pinned(model, slot, u, lower, upper):
    """Bounds in which what is tied to another component is held at the value that it has there."""
    lower, upper, held = lower.copy(), upper.copy(), model.tied(u)
    for tie in model.ties:
        if tie.row in model.index[slot] and tie.target not in model.index[slot]:
            lower[tie.row] = upper[tie.row] = held[tie.row]
    return lower, upper


def _candidates(spectra: Spectra, reach: Reach) -> Float[np.ndarray, "candidates lanes"]:
    """Frequencies to try, shape (candidates, lanes): some of the bins, moved into the reach of the peak."""
    bins = spectra.frequency.shape[0]
    used = spectra.weight > 0
    counts = used.sum(axis=0)
    # as many as with the shortest padding; the last one fills what is left
    least = [padded_length(count) for count in counts.tolist()]
    own = np.minimum(np.minimum(least, bins), MAX_CANDIDATES)
    number, last = np.arange(min(bins, MAX_CANDIDATES))[:, None], np.maximum(own - 1, 1)
    place = np.where(number < last, number * (1 / last), 1.0) * np.maximum(counts - 1, 0)
    picked = np.take_along_axis(
        np.sort(np.where(used, spectra.frequency, np.inf), axis=0), place.astype(int), axis=0
    )
    return np.clip(picked, reach.low, reach.high)
