"""Of two descriptions of one power, the one that the component prefers is published, if nothing forbids it."""

import numpy as np
import pytest

from pipeline.fit import Fit, Grid, Model
from pipeline.fit.search.batch import Batch, Bounds
from pipeline.fit.search.canonical import in_canonical_form

GRID = Grid.of(np.geomspace(0.1, 30, 50)[:, None])
U = np.array([[np.log(0.5)] * 2, [2.5] * 2, [0.5] * 2, [np.log(3.0)] * 2, [np.log(0.01)] * 2])
FIXED = {"slope_low": 2.5, "bend_frequency": 3.0}
"""Values of the parameters in U, of those that a test holds."""


def written(options=None, reach=20.0, fixed=None, others=("constant",)):
    """The fits of a bending power law that is written upside down, in two lanes, before and after."""
    options = {**(options or {}), **({} if fixed is None else {fixed: {"fixed": FIXED[fixed]}})}
    model = Model.from_components("m", [{"bending_power_law": options}, *others])
    u = np.resize(U, (model.size, 2))
    nothing = np.zeros(u.shape, bool)
    lanes = np.zeros(2)
    at_bound = nothing.copy()
    at_bound[1, 0] = True
    fit = Fit(u, lanes, lanes, lanes.astype(int), lanes.astype(int), at_bound, at_bound.copy())
    batch = object.__new__(Batch)  # no spectra are needed
    vars(batch).update(model=model, bounds=Bounds(u - reach, u + reach))
    return model, fit, in_canonical_form(batch, fit)


def test_the_steeper_slope_is_above_the_bend_and_the_power_is_the_same():
    model, before, after = written()
    assert (after.u[2] > after.u[1]).all()
    active = np.ones((2, 2), bool)
    powers = [np.asarray(model.power(f.u, GRID, active)) for f in (before, after)]
    np.testing.assert_allclose(*powers, rtol=1e-12)
    # a slope takes its bound with it
    assert after.at_bound[:, 0].tolist() == [False, False, True, False, False]
    assert (after.at_lower == after.at_bound).all()


@pytest.mark.parametrize(
    "told",
    [
        {"reach": 1.0},
        {"fixed": "slope_low"},
        {"options": {"slope_low": {"uniform": [-1, 4]}}},
        {"options": {"amplitude": {"scale": "linear"}}},
        {
            "others": (
                "constant",
                {"power_law": {"slope": {"tied": "bending_power_law.1.slope_low"}}},
            )
        },
    ],
)
def test_it_stays_as_it_is_where_something_forbids_the_exchange(told):
    _, before, after = written(**told)
    np.testing.assert_array_equal(before.u, after.u)
    np.testing.assert_array_equal(before.at_bound, after.at_bound)


def test_the_bend_may_be_fixed():
    _, _, after = written(fixed="bend_frequency")
    assert (after.u[2] > after.u[1]).all()
