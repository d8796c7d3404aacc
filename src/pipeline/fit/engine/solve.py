"""The way of the lanes to their optimum: which programs they go through, on which data, in which precision."""

import numpy as np
from jaxtyping import Bool, Float

from pipeline.fit.engine import programs
from pipeline.fit.engine.problem import Code
from pipeline.fit.engine.state import NEAR_DAMPING, Progress
from pipeline.fit.engine.work import Work, advance

SINGLE_ROWS = 128
"""Data of at least as many numbers a lane do the way to the optimum in single precision."""
COARSE_ITERATIONS, COARSE_TOLERANCE = 40, 0.1
"""Iterations spent on coarse data, and the promised change of the objective at which they end."""
BETTER = 0.01
"""Fall of the objective from which a second place is better than the first."""
RELOCATIONS = programs.relocate, programs.relocate_otherwise
"""Programs that begin again, one for each way of an objective's rescue."""
SCORING_ITERATIONS = 14
"""Iterations after which a lane goes on with the curvature that its own gradients show: the expected one
misleads it."""
CHORD_ITERATIONS, AGAIN_ITERATIONS = 26, 4
"""Iterations that a lane then has until it begins again, and scoring iterations that it begins with."""


def solve(work: Work, allowed: int, *, rescue: bool = False) -> Progress:
    """Bring every lane to its end.

    Double precision goes most of the way in single, from `SINGLE_ROWS` numbers a lane up; what did not arrive
    there starts again. Data that have a coarse version begin on it. With `rescue` each lane that is on its own
    data from the start is tried from a second place: see `try_elsewhere`.
    """
    progress = Progress.at(work.start)
    if in_single_first(work):
        found = solve(work.in_single(), allowed, rescue=rescue)
        near = Progress.near(work.problem, found)
        progress = near.where(np.isfinite(found.value), progress)
        rescue = False
    elif (coarse := work.coarse(COARSE_TOLERANCE)) is not None:
        found = on_coarse_data(coarse, progress.u, COARSE_ITERATIONS)
        lanes, near = np.arange(progress.code.size), Progress.near(work.problem, found)
        first = min(allowed, SCORING_ITERATIONS + CHORD_ITERATIONS)
        advance(programs.go_on_near, work, first, lanes, progress, near)
        rescue = False
    unknown = np.isinf(progress.value) & (progress.damping > NEAR_DAMPING)
    to_end(work, allowed, progress, unknown)
    if rescue and work.objective.rescues:
        try_elsewhere(work, allowed, progress)
    return progress


def try_elsewhere(work: Work, allowed: int, progress: Progress) -> None:
    """Begin again where the objective's rescue says; what leads to a better place within a while goes on, in place.

    In a model of many peaks two of them may share one peak of the data while another one has none, or one may
    stand for two while another one follows the noise. Each way of the rescue has its turn.
    """
    lanes = np.arange(progress.code.size)
    for relocate in RELOCATIONS[: work.objective.rescues]:
        found = progress.take(lanes)
        found.code[:], found.iterations[:] = Code.RUNNING, 0
        advance(relocate, work, allowed, lanes, found)
        _score(work, min(allowed, SCORING_ITERATIONS), found)
        found.iterations += progress.iterations
        better = np.flatnonzero(found.value < progress.value - BETTER)
        progress.put(better, found.take(better).arrays)
        to_end(work, allowed, progress, np.zeros(lanes.size, bool))


def in_single_first(work: Work) -> bool:
    """Whether fits go most of the way in single precision."""
    return work.objective.single and work.rows >= SINGLE_ROWS and work.dtype == np.float64


def explore(work: Work, iterations: int) -> Progress:
    """Go a few iterations from every start, on coarse data where there are some."""
    progress, lanes = Progress.at(work.start), np.arange(work.problem.u.shape[1])
    coarse = work.coarse(COARSE_TOLERANCE)
    if coarse is not None:
        found = on_coarse_data(coarse, progress.u, iterations, relocate=False)
        advance(programs.compare, work, iterations, lanes, progress, found)
    else:
        to_end(work.loosely(COARSE_TOLERANCE), iterations, progress, np.ones(lanes.size, bool))
    return progress


def on_coarse_data(
    coarse: Work, u: Float[np.ndarray, "P lanes"], iterations: int, *, relocate: bool = True
) -> Progress:
    """Fit the coarse version of the data from u.

    A lane that does not arrive soon has mostly a peak that is far from the one in the data, and is
    held by a bump of the noise or drifts: it begins again where the objective's rescue says, and what it had
    stays if that is better.
    """
    found = Progress.at(u)
    _score(coarse, min(iterations, SCORING_ITERATIONS), found)
    lost = found.pending(iterations)
    if relocate and lost.size and coarse.objective.rescues:
        before = found.take(lost)
        advance(programs.relocate, coarse, iterations, lost, found)
        _score(coarse, min(iterations, 2 * SCORING_ITERATIONS), found)
        worse = ~(found.value[lost] < before.value)
        found.put(lost[worse], before.take(np.flatnonzero(worse)).arrays)
    to_end(coarse, iterations, found, np.zeros(found.code.size, bool))
    return found


def to_end(
    work: Work, allowed: int, progress: Progress, scoring: Bool[np.ndarray, " lanes"]
) -> None:
    """Bring every lane to its end, in place.

    The lanes `scoring` begin by scoring; what is not done after a while, and the others, go by their
    own gradients. What is still not done then begins again where it is.
    """
    few = work.in_halves()
    upto = SCORING_ITERATIONS
    while True:
        some = min(allowed, upto)
        _score(work, some, progress, scoring)
        some = min(allowed, some + CHORD_ITERATIONS)
        while (pending := progress.pending(some)).size:
            advance(programs.chords, few, some, pending, progress)
        again = (progress.code == Code.RUNNING) | (progress.code == Code.STALLED)
        again &= progress.iterations < allowed
        if some == allowed or not again.any():
            return
        progress.begin_again(again)
        scoring, upto = again, some + AGAIN_ITERATIONS


def _score(work, allowed, progress, among=True):
    """Iterate lanes by scoring until they have stopped or used what they are allowed, in place."""
    while (pending := progress.pending(allowed, among)).size:
        advance(programs.score, work, allowed, pending, progress)
