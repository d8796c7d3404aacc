"""A catalogue with three sources, one of them with a hostile name, as the merge leaves it."""

import json

import numpy as np
import pytest

from pipeline.columns.catalogue import REJECTED, SOURCES
from pipeline.columns.fits import CURVES, MODELS, PARAMETERS
from pipeline.columns.observations import OBSERVATIONS
from pipeline.columns.samples import SAMPLES
from pipeline.columns.simulate import TRUTH
from pipeline.shards import shard_name, shard_of
from pipeline.status import Flag
from pipeline.tables import write_parquet

HOSTILE = "</script><img src=x onerror=alert(1)> & \u2028 Ω"
EDGES = np.array([0.1, 0.2, 0.4, 0.8])


def source(name, status="ok", **more):
    row = {"source_id": name, "object": name, "status": status, "product": "events", "model": "m"}
    return row | {"flags": int(Flag.NO_P_VALUE), "qpo_frequency": 0.3, "norm": "frac"} | more


def rows():
    fitted = [source("A", slope=1.23456789), source(HOSTILE)]
    ids = [row["source_id"] for row in fitted]
    key = {"product": "events", "model": "m"}
    return {
        "sources": [*fitted, source("C", "too_short", model="", reason="Too short.")],
        "observations": [
            {"file": f"{i}.evt", "source_id": s, "status": "ok", "reason": ""}
            for i, s in enumerate([*ids, "C"])
        ],
        "models": [
            {"source_id": s, "status": "ok", "best": m == "m", **key, "model": m}
            for s in ids
            for m in ("noise", "m")
        ],
        "parameters": [
            {"source_id": s, "component": "power_law.1", "parameter": "slope", "best": best}
            | {"value": 1.0, "err_lo": 0.1, "err_hi": float("nan"), "product": "events"}
            | {"model": "m" if best else "other"}
            for s in ids
            for best in (True, False)
        ],
        "samples": [
            {"source_id": "A", **key, "component": "power_law.1", "parameter": "slope"}
            | {"scale": "linear", "n_chains": 4}
            | {"value": np.random.default_rng(1).normal(1.0, 0.1, 800)}
        ],
        "rejected": [
            {"file": "c.evt", "source_id": "C", "stage": "segment", "status": "too_short"}
        ],
        "curves": [
            {"source_id": s, "norm": "frac", "components": ["constant.1", "power_law.1"], **key}
            | {"frequency_lo": EDGES[:-1], "frequency_hi": EDGES[1:], "power": [3.0, 2.0, 1.0]}
            | {"power_err": [0.3, 0.2, 0.1], "model_power": [3.0, 2.0, 1.5]}
            | {"component_power": [1.0, 1.0, 1.0, 2.0, 1.0, 0.5]}
            for s in ids
        ],
    }


@pytest.fixture
def hostile():
    return HOSTILE


@pytest.fixture
def catalogue(tmp_path):
    """Write the catalogue and the curves and return the driver's arguments."""
    tables = {"sources": SOURCES, "observations": OBSERVATIONS, "models": MODELS}
    tables |= {"parameters": PARAMETERS, "rejected": REJECTED, "samples": SAMPLES}
    content = rows()
    for name, table in tables.items():
        write_parquet(tmp_path / "catalog" / f"{name}.parquet", table, content[name])
    record = {
        "finished": "2026-01-01T00:00:00+00:00",
        "pipeline": {"version": "0.1.0"},
        "configuration": {"archive": "archive/<b>"},
        "inputs": {"files": 3},
        "formats": {"fits": {"file": "catalog.fits", "label": "FITS", "rows": {}}},
    }
    (tmp_path / "catalog" / "provenance.json").write_text(json.dumps(record))
    (tmp_path / "plan").mkdir()
    for index in range(2):
        name = shard_name(index)
        mine = [row for row in content["curves"] if shard_of(row["source_id"], 2) == index]
        lines = ["source_id", *(str(k) for k in range(len(mine) + 1))]
        (tmp_path / "plan" / f"{name}.tsv").write_text("\n".join(lines) + "\n")
        write_parquet(tmp_path / "fit" / f"{name}.curves.parquet", CURVES, mine)
    return {
        "catalog": tmp_path / "catalog",
        "plan": tmp_path / "plan",
        "fit": tmp_path / "fit",
        "output": tmp_path / "report" / "index.html",
    }


@pytest.fixture
def truth_file(tmp_path):
    row = {"object": "a", "qpo_frequency": 0.31, "slope": 1.2}
    write_parquet(tmp_path / "truth.parquet", TRUTH, [row])
    return tmp_path / "truth.parquet"
