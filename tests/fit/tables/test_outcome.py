"""Status and flags of fits, and the errors of their parameters, without a fit."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.fit import Code, Model
from pipeline.fit.search.batch import End, Profiles
from pipeline.fit.tables.errors import parameter_errors
from pipeline.fit.tables.outcome import flags, has_result, statuses
from pipeline.status import Flag, Status

VALUES = np.array([2.0, 1.0, 6.0, 1.0])[:, None] * np.ones(6)


@pytest.fixture(scope="module")
def fit(model_fit):
    return model_fit(Model.from_components("peak", ["constant", "lorentzian"]), VALUES)


def test_the_code_of_a_fit_its_covariance_and_its_bounds_make_its_status(fit):
    code = fit.fit.code.copy()
    code[:3] = Code.RUNNING, Code.STALLED, Code.NO_DATA
    at_bound = fit.fit.at_bound.copy()
    at_bound[2, [0, 3, 4]] = True
    sound = fit.sound.copy()
    sound[4] = False
    found = statuses(replace(fit, fit=replace(fit.fit, code=code, at_bound=at_bound), sound=sound))
    assert found.tolist() == [
        Status.NOT_CONVERGED,
        Status.NOT_CONVERGED,
        Status.BAD_SPECTRUM,
        Status.AT_BOUND,
        Status.SINGULAR,  # which says more than the bound
        Status.OK,
    ]
    assert has_result(found).tolist() == [True, True, False, True, True, True]
    assert has_result(np.stack([found, found])).shape == (2, 6)


def test_a_bound_of_a_parameter_that_is_held_is_none(fit):
    at_bound, free = fit.fit.at_bound.copy(), fit.free.copy()
    at_bound[2], free[2] = True, False
    held = replace(fit, free=free, fit=replace(fit.fit, at_bound=at_bound))
    assert set(statuses(held)) == {Status.OK}


def test_flags_of_a_fit(fit):
    covariance = fit.covariance.copy()
    covariance[3, 3, 1] = 0.0
    unresolved = np.zeros((2, 6), bool)
    unresolved[1, 2] = True
    status = np.full(6, Status.OK, object)
    status[0] = Status.AT_BOUND
    found = flags(replace(fit, covariance=covariance), status, unresolved)
    assert found.tolist() == [Flag.AT_BOUND, Flag.UNDETERMINED, Flag.UNRESOLVED, 0, 0, 0]


def test_errors_are_from_the_covariance_where_there_is_no_profile(fit):
    sound = fit.sound.copy()
    sound[1] = False
    found = parameter_errors(replace(fit, sound=sound))
    np.testing.assert_allclose(found.err_hi[:, 0], VALUES[:, 0] * np.expm1(0.1))
    np.testing.assert_allclose(found.err_lo[:, 0], -VALUES[:, 0] * np.expm1(-0.1))
    assert found.method[0, :2].tolist() == ["observed", "none"]
    assert np.isnan(found.err_lo[:, 1]).all()
    assert not found.open_lo.any()


def test_errors_are_from_the_profile_where_both_ends_are_known_or_open(fit):
    shape = 2, *VALUES.shape
    ends = np.log(VALUES) + np.array([0.2, 0.4])[:, None, None]
    lower_code, upper_code = np.full(shape, End.NONE), np.full(shape, End.NONE)
    lower_code[:, 1], upper_code[:, 1] = End.FOUND, End.FOUND
    lower_code[0, 1, :3] = End.OPEN, End.FAILED, End.FAILED
    upper_code[0, 1, 2] = End.OPEN
    at_bound = fit.fit.at_bound.copy()
    at_bound[1, 2] = True
    limit = np.full(VALUES.shape, np.nan)
    limit[1] = np.log(3.0)
    profiles = Profiles(
        levels=(0.6827, 0.9),
        limit_sigma=1.6,
        lower=np.log(VALUES) - 0.3 * np.arange(1, 3)[:, None, None],
        upper=ends,
        lower_code=lower_code,
        upper_code=upper_code,
        limit=limit,
        limit_code=np.zeros(VALUES.shape, int),
        least=np.full(VALUES.shape, np.nan),
        least_code=np.zeros(VALUES.shape, int),
        paths=np.full((4, 4, *VALUES.shape), np.nan),
        better=np.full(VALUES.shape, np.nan),
    )
    found = parameter_errors(
        replace(fit, profiles=profiles, fit=replace(fit.fit, at_bound=at_bound))
    )
    # open below; an end that was not found; the same of a parameter at its bound; both found
    assert found.method[1].tolist() == ["profile", "observed", *["profile"] * 4]
    assert found.open_lo[1].tolist() == [True, *[False] * 5]
    assert found.open_hi[1].tolist() == [False, False, True, *[False] * 3]
    assert set(found.method[0]) == {"observed"}
    np.testing.assert_allclose(found.err_lo[1, 3], 1 - np.exp(-0.3))
    np.testing.assert_allclose(found.err_hi[1, 3], np.expm1(0.2))
    np.testing.assert_allclose(found.interval_hi[:, 1, 3], np.exp([0.4]))
    np.testing.assert_allclose(found.upper_limit[1], 3.0)
    assert np.isnan(found.upper_limit[0]).all()
