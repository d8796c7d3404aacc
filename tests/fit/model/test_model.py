"""A model is its components in order; the rows of u are their parameters, some of them tied to others."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pipeline.components import COMPONENTS, ComponentError
from pipeline.config.base import ConfigError
from pipeline.fit import Grid, Model
from pipeline.fit.model.slots import TiedTo, make_slot

GRID = np.geomspace(0.1, 30, 40)
TIED = [
    "constant",
    {"lorentzian": {"frequency": {"bounds": [1, 10]}}},
    {"lorentzian": {"frequency": {"tied": {"to": "lorentzian.1.frequency", "factor": 2}}}},
    {"power_law": {"slope": {"start": 1.5}, "amplitude": {"fixed": 0.1}}},
]
U = np.array([[0.01], [0.3], [3.0], [0.4], [0.1], [6.0], [0.5], [0.2], [1.3]])


@pytest.fixture
def tied():
    return Model.from_components("tied", TIED)


@pytest.fixture
def u(tied):
    return np.where(tied.is_log[:, None], np.log(U), U)


def test_rows_names_and_slots_of_the_parameters(tied):
    assert tied.size == 9
    assert tied.index == ((0,), (1, 2, 3), (4, 5, 6), (7, 8))
    assert tied.rows_of(2) == {"variance": 4, "frequency": 5, "fwhm": 6}
    assert tied.names[5] == "lorentzian.2.frequency"
    assert tied.slot_of().tolist() == [0, 1, 1, 1, 2, 2, 2, 3, 3]
    assert tied.is_log.tolist() == [True] * 8 + [False]
    assert np.flatnonzero(tied.is_amplitude).tolist() == [0, 1, 4, 7]


def test_options_of_parameters_are_in_the_slots(tied):
    first, second, red = tied.slots[1:]
    assert first.bounds == (None, (1.0, 10.0), None)
    assert second.ties == (None, TiedTo("lorentzian.1.frequency", 2.0), None)
    assert red.starts == (None, 1.5)
    assert red.fixed == (0.1, None)
    assert [slot.label for slot in tied.slots][1:3] == ["lorentzian.1", "lorentzian.2"]


def test_a_tied_parameter_follows_and_has_no_freedom_of_its_own(tied, u):
    u[5] = 0.0
    np.testing.assert_allclose(tied.to_values(u)[5], 6.0)
    active = np.ones((4, 2), bool)
    active[1, 1] = False  # of what it is tied to: the frequency is still the second's
    free = tied.free(active)
    assert not free[5].any()
    assert free[2].all()
    assert free[1].tolist() == [True, False]
    matrix = np.diag(np.arange(1.0, 10.0))[:, :, None]
    assert tied.tied_covariance(matrix)[5, 5, 0] == tied.tied_covariance(matrix)[2, 2, 0] == 3.0


@pytest.mark.parametrize("average", [False, True])
def test_tangents_and_second_tangents_are_those_of_the_power(tied, u, average):
    width = np.gradient(GRID)[:, None] if average else None
    grid, active = Grid.of(GRID[:, None], width), np.ones((4, 1), bool)

    def power(v):
        return tied.power(v[:, None], grid, active)[:, 0]

    total, tangents = tied.power_and_tangents(jnp.asarray(u), grid, active)
    np.testing.assert_allclose(total[:, 0], power(u[:, 0]))
    expected = jax.jacfwd(power)(jnp.asarray(u[:, 0]))
    found = np.stack([np.broadcast_to(t, total.shape)[:, 0] for t in tangents], axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-13)
    hessian = np.asarray(jax.jacfwd(jax.jacfwd(power))(jnp.asarray(u[:, 0])))
    second = np.zeros_like(hessian)
    for (i, j), value in tied.second_tangents(jnp.asarray(u), grid, active).items():
        second[:, i, j] = second[:, j, i] = np.asarray(value)[:, 0]
    np.testing.assert_allclose(second, hessian, rtol=1e-8, atol=1e-12)


def test_components_that_are_switched_off_add_nothing(tied, u):
    grid = Grid.of(GRID[:, None])
    active = np.ones((4, 2), bool)
    active[[1, 3], 1] = False
    u = np.repeat(u, 2, axis=1)
    parts = tied.component_power(u, grid, active)
    assert all((np.asarray(parts[s])[:, 1] == 0).all() for s in (1, 3))
    np.testing.assert_allclose(tied.power(u, grid, active), sum(map(np.asarray, parts)))


def test_copies_are_optional_and_numbered_by_kind():
    told = [{"lorentzian": {"up_to": 3}}, "constant", "lorentzian"]
    model = Model.from_components("m", told)
    assert [slot.label for slot in model.slots if slot.declared.peak] == [
        f"lorentzian.{k}" for k in (1, 2, 3, 4)
    ]
    assert [slot.optional for slot in model.slots] == [False, True, True, False, False]


def test_models_are_equal_by_what_is_compiled_and_not_by_numbers():
    def model(name, **options):
        return Model.from_components(name, [{"lorentzian": {"fwhm": options}}])

    one, other = model("one", bounds=[0.1, 1.0], start=0.5), model("other")
    assert one == other
    assert hash(one) == hash(other)
    assert one != model("one", normal=[1.0, 0.1])
    assert one != model("one", scale="linear")


@pytest.mark.parametrize(
    ("components", "error"),
    [
        (["no_such_thing"], ComponentError),
        ([{"lorentzian": {"no_such_parameter": {}}}], ConfigError),
        ([{"lorentzian": {"fwhm": {"tied": "constant.1.level"}}}], KeyError),
    ],
)
def test_what_cannot_be_fitted_is_refused(components, error):
    with pytest.raises(error):
        Model.from_components("m", components)


def test_a_slot_of_a_component_without_options():
    slot = make_slot(COMPONENTS["envelope"], 2, {}, optional=True)
    assert slot.label == "envelope.2"
    assert slot.priors == slot.ties == slot.bounds == slot.starts == (None, None, None)
    assert slot.optional
