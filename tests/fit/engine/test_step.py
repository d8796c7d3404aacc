"""One step of the optimiser: where it aims, what it keeps, and what the gradients teach it."""

import jax.numpy as jnp
import numpy as np

from pipeline.fit import Code, Problem
from pipeline.fit.engine.objective import Evaluation
from pipeline.fit.engine.problem import put
from pipeline.fit.engine.state import Progress, State
from pipeline.fit.engine.step import Limits, aim, iterate, loop, secant_update

LIMITS = Limits(1e-9, 50, 0)
MATRIX = np.array([[2.0, 0.5], [0.5, 1.0]])[:, :, None]


def _evaluate(u):
    """A quadratic with its optimum at 0, with its information."""
    return _slope(u)._replace(information=MATRIX + 0 * u[:1, None])


def _slope(u):
    pull = jnp.sum(MATRIX * u[None], axis=1)
    return Evaluation(jnp.sum(u * pull, axis=0), -pull)


def _state(u):
    return State(*(jnp.asarray(a) for a in Progress.at(np.array(u, float)).arrays))


def _problem(lower=-9.0, upper=9.0, free=True):
    start = np.zeros((2, 1))
    masks = np.full(start.shape, free), np.ones((1, 1), bool)
    return Problem(start, start + lower, start + upper, *masks)


def _two_lanes():
    return Problem(*(np.repeat(array, 2, axis=-1) for array in _problem()))


def test_the_first_iteration_evaluates_the_start_and_aims_at_the_optimum():
    state = iterate(_evaluate, _problem(), LIMITS, _state([[0.4], [-0.2]]))
    assert state.iterations[0] == 0
    assert state.code[0] == Code.RUNNING
    np.testing.assert_allclose(state.value, 2 * 0.16 - 0.08 + 0.04)
    assert np.abs(state.trial).max() < 0.05  # damped, so not quite there
    after = loop(_evaluate, _problem(), state, LIMITS)
    assert after.code[0] == Code.CONVERGED
    np.testing.assert_allclose(after.u, 0, atol=1e-5)


def test_a_step_is_no_longer_than_one_unit_and_ends_at_the_bounds():
    far = iterate(_evaluate, _problem(), LIMITS, _state([[7.0], [-3.0]]))
    np.testing.assert_allclose(np.abs(far.trial - far.u).max(), 1.0)
    held = iterate(_evaluate, _problem(lower=0.3), LIMITS, _state([[0.8], [0.3]]))
    assert held.trial.min() == 0.3


def test_a_worse_trial_is_not_kept_and_a_lane_without_data_stops():
    state = iterate(_evaluate, _problem(), LIMITS, _state([[0.4], [-0.2]]))
    worse = iterate(_evaluate, _problem(), LIMITS, state._replace(trial=jnp.array([[3.0], [3.0]])))
    np.testing.assert_array_equal(worse.u, state.u)
    assert worse.damping[0] > state.damping[0]
    nothing = iterate(_evaluate, _problem(), LIMITS, _state([[np.nan], [0.0]]))
    assert nothing.code[0] == Code.NO_DATA


def test_a_lane_that_has_used_its_iterations_waits_while_its_neighbours_go_on():
    """Else its place would depend on how long they take, and so on who they are."""
    start = np.array([[0.4, 0.4], [-0.2, -0.2]])
    state = _state(start)._replace(iterations=jnp.array([9, -1]))
    after = loop(_evaluate, _two_lanes(), state, Limits(1e-9, 10, 0))
    assert after.iterations.tolist()[0] == 10
    assert after.code.tolist() == [Code.RUNNING, Code.CONVERGED]
    alone = loop(
        _evaluate,
        _two_lanes(),
        _state(start)._replace(iterations=jnp.array([9, 9])),
        Limits(1e-9, 10, 0),
    )
    np.testing.assert_array_equal(after.trial[:, 0], alone.trial[:, 0])


def test_the_corrected_information_explains_the_change_of_the_gradient():
    state = _state([[0.4], [-0.2]])
    state = state._replace(gradient=_slope(state.u).gradient, trial=jnp.array([[0.1], [0.3]]))
    after = secant_update(state, _slope(state.trial).gradient, jnp.zeros(1, bool))
    step = state.trial - state.u
    change = state.gradient - _slope(state.trial).gradient
    np.testing.assert_allclose(np.sum(after * step[None], axis=1), change, rtol=1e-12)
    untouched = secant_update(state, _slope(state.trial).gradient, jnp.ones(1, bool))
    np.testing.assert_array_equal(untouched, state.information)


def test_a_bend_turns_the_step_where_it_is_small_beside_it():
    state = iterate(_evaluate, _problem(), LIMITS, _state([[0.4], [-0.2]]))
    straight = aim(_problem(), 1e-9, state).trial
    bent = aim(_problem(), 1e-9, state, lambda u, step: 0.1 * jnp.ones_like(step)).trial
    assert np.abs(bent - straight).max() > 0.01
    ignored = aim(_problem(), 1e-9, state, lambda u, step: 1e3 * jnp.ones_like(step)).trial
    np.testing.assert_array_equal(ignored, straight)
    np.testing.assert_array_equal(
        aim(_problem(), 1e-9, state, lambda u, step: None).trial, straight
    )


def test_progress_is_put_and_taken_lane_by_lane():
    progress = Progress.at(np.arange(6.0).reshape(2, 3))
    part = progress.take(np.array([2, 0]))
    part.value[:], part.code[:] = [5.0, 7.0], Code.STALLED
    progress.put(np.array([1, 2]), part.arrays)
    np.testing.assert_array_equal(progress.u[0], [0, 2, 0])
    assert progress.value.tolist() == [np.inf, 5.0, 7.0]
    assert progress.pending(10).tolist() == [0]
    assert progress.pending(10, np.array([False, True, True])).size == 0
    progress.begin_again(np.array([False, True, False]))
    assert progress.pending(10).tolist() == [0, 1]
    assert put(np.zeros(3), np.array([1]), np.ones(1)).tolist() == [0, 1, 0]
