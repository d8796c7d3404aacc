"""Observations to work on, as `ingest` hands them over."""

import itertools
import warnings

import numpy as np
import pytest

from pipeline.columns.ingest import INGEST
from pipeline.segment.observation import observation as observation_of
from pipeline.status import Status
from pipeline.tables import empty_row, rows_of, to_arrow


@pytest.fixture(scope="session")
def stingray():
    """Stingray, without its remark on Numba."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import stingray
        import stingray.powerspectrum
    return stingray


@pytest.fixture(scope="session")
def observation():
    """A function that makes an observation as it reads back from a file, each with another number."""
    numbers = itertools.count()

    def make(kind, **columns):
        arrays = {k: np.asarray(v) for k, v in columns.items() if np.ndim(v)}
        row = empty_row(INGEST) | {
            "source_id": "source",
            "observation_id": "1",
            "file": "one.fits",
            "kind": kind,
            "product": f"{kind}/mission",
            "status": Status.OK,
            "mjd_ref": 50000,
            "mjd_ref_frac": 0.0,
            "t_start": 0.0,
            "counting": True,
            "dt": 0.0,
        }
        (row,) = rows_of(to_arrow(INGEST, [row | columns | arrays]))
        return observation_of(row, next(numbers))

    return make


@pytest.fixture(scope="session")
def events(observation):
    """A function that makes Poisson events of a constant rate in good time intervals."""

    def make(seed=1, rate=50.0, gti=((0.0, 100.0),), **columns):
        rng = np.random.default_rng(seed)
        time = [rng.uniform(a, b, rng.poisson(rate * (b - a))) for a, b in gti]
        start, stop = np.transpose(gti)
        own = {
            "time": np.sort(np.concatenate(time)),
            "gti_start": start,
            "gti_stop": stop,
            "exposure": float(np.sum(stop - start)),
        }
        return observation("events", **(own | columns))

    return make


@pytest.fixture(scope="session")
def lightcurve(observation):
    """A function that makes a light curve of the given rates, bins centred on (i + 1/2) dt."""

    def make(rate, dt=1.0, missing=(), **columns):
        time = columns.pop("time", (np.arange(len(rate)) + 0.5) * dt)
        keep = ~np.isin(np.arange(len(rate)), missing)
        columns = {"gti_start": [time[0] - dt], "gti_stop": [time[-1] + dt]} | columns
        if "rate_err" in columns:
            columns["rate_err"] = np.asarray(columns["rate_err"])[keep]
        return observation("lightcurve", time=time[keep], rate=rate[keep], dt=dt, **columns)

    return make
