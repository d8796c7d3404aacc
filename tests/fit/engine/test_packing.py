"""What is packed comes back bit by bit, on the host and in a program, in both precisions."""

import jax
import numpy as np
import pytest

from pipeline.fit.engine import packing
from pipeline.fit.engine.packing import Layout
from pipeline.fit.engine.problem import Code, Problem
from pipeline.fit.engine.state import Progress


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_problem_and_states_survive_the_way_to_a_program_and_back(precision):
    layout = Layout(size=3, parts=2, dtype=np.dtype(precision))
    rng = np.random.default_rng(1)
    u, lower, upper = rng.normal(size=(3, 3, 5)).astype(precision)
    problem = Problem(u, lower, upper, rng.random((3, 5)) < 0.5, rng.random((2, 5)) < 0.5)
    one, other = Progress.at(u), Progress.at(u + 1)
    one.value[:] = [np.nan, np.inf, -np.inf, -0.0, np.finfo(precision).smallest_subnormal]
    other.iterations[:], other.code[:] = [-1, 0, 7, 2**20 + 1, 200], Code.NO_DATA

    @jax.jit
    def program(packed):
        problem, states = packing.unpack(layout, packed, 2)
        assert [a.dtype for a in problem] == [precision] * 3 + ["bool"] * 2
        assert states[1].iterations.dtype == states[1].code.dtype == np.int32
        return problem, [packing.pack_result(layout, state) for state in states]

    found, results = program(packing.pack(layout, problem, one.arrays, other.arrays))
    for before, after in zip(problem, found, strict=True):
        np.testing.assert_array_equal(before, after)
    for progress, result in zip((one, other), results, strict=True):
        back = packing.unpack_result(layout, np.asarray(result))
        for before, after in zip(progress.arrays, back, strict=True):
            assert before.dtype == after.dtype
            assert before.tobytes() == after.tobytes()
