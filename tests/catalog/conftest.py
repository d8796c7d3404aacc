"""A small survey as the stages leave it: every way in which a source can end, once."""

from pathlib import Path

import pytest

from pipeline.columns.fits import MODELS, PARAMETERS
from pipeline.columns.ingest import INGEST
from pipeline.columns.observations import OBSERVATIONS
from pipeline.columns.samples import SAMPLES
from pipeline.columns.spectra import SPECTRA
from pipeline.config.catalog import CatalogOptions
from pipeline.config.survey import Survey
from pipeline.shards import shard_name, shard_of
from pipeline.status import Flag
from pipeline.tables import write_parquet

SHARDS = 2
LIST = ("source_id", "observation_id", "file", "version", "kind", "response", "response_version")


def file_row(file, source_id, status="ok", **more):
    return {
        "file": file,
        "size": 1000,
        "sha256": file.encode().hex().ljust(64, "0")[:64],
        "kind": "events",
        "mission": "nicer",
        "observation_id": file.split(".")[0],
        "object": source_id,
        "mjd_start": 59000.0,
        "mjd_stop": 59001.0,
        "source_id": source_id,
        "status": status,
        **more,
    }


def spectrum_row(source_id, product="events/nicer", status="ok", **more):
    return {
        "source_id": source_id,
        "product": product,
        "kind": "events",
        "object": source_id,
        "status": status,
        "observation_ids": [f"{source_id}-1"],
        "n_observations": 1,
        "n_dropped": 0,
        "exposure": 512.0,
        "m": 16,
        "counts": 1e5,
        "norm": "frac",
        "mean_rate": 200.0,
        "rms": 0.2,
        "rms_err_lo": 0.01,
        "rms_err_hi": 0.01,
        **more,
    }


def model_row(source_id, model, bic, product="events/nicer", status="ok", **more):
    return {
        "source_id": source_id,
        "product": product,
        "model": model,
        "status": status,
        "norm": "frac",
        "components": ["constant.1", "power_law.1"],
        "n_bins": 200,
        "n_free": 3,
        "bic": bic,
        "aic": bic - 5,
        "statistic": bic - 15,
        "deviance": 190.0,
        "parameter_names": ["constant.1.level"],
        "covariance": [0.25],
        **more,
    }


def parameter_row(source_id, component, parameter, value, error=0.1, **more):
    return {
        "source_id": source_id,
        "product": "events/nicer",
        "model": "power_law_qpo",
        "component": component,
        "parameter": parameter,
        "value": value,
        "err_lo": error,
        "err_hi": 2 * error,
        "free": True,
        "best": True,
        **more,
    }


def lorentzian_rows(source_id, number, variance, frequency, fwhm, rms=True, **more):
    name = f"lorentzian.{number}"
    rows = [
        parameter_row(source_id, name, "variance", variance, **more),
        parameter_row(source_id, name, "frequency", frequency, **more),
        parameter_row(source_id, name, "fwhm", fwhm, **more),
        parameter_row(source_id, name, "q", frequency / fwhm, derived=True, **more),
    ]
    if rms:
        rows.append(parameter_row(source_id, name, "rms", variance**0.5, derived=True, **more))
    return rows


def file_rows():
    return [
        file_row("a.evt", "QPO"),
        file_row("b.evt", "QPO", "duplicate", reason="The same as a.evt."),
        file_row("c.evt", "NOISE Ω<b>"),
        file_row("d.evt", "SHORT"),
        file_row("e.evt", "DAMAGED", "truncated", reason="e.evt ends early: fetch it again."),
        file_row("f.evt", "QPO", "bad_time", reason="f.evt, HDU EVENTS: no TIME column."),
        file_row("g.html", "", "unreadable", reason="g.html is a web page."),
        file_row("h.rmf", "", "set_aside"),
        file_row("i.evt", "UNFITTED"),
        file_row("j.evt", "LOST EVENTS"),
    ]


def readings():
    def row(file, source_id, status="ok", **more):
        observation = {"observation_id": f"{source_id}-1"}
        return {"file": file, "source_id": source_id, "status": status, **observation, **more}

    damaged = {"reason": "e.evt ends early: fetch it again."}
    return [
        row("a.evt", "QPO", product="events/nicer"),
        row("f.evt", "QPO", "bad_time", reason="f.evt, HDU EVENTS: no TIME column."),
        row("c.evt", "NOISE Ω<b>", product="events/nicer"),
        row("d.evt", "SHORT", product="events/nicer"),
        row("e.evt", "DAMAGED", "truncated", **damaged),
        row("i.evt", "UNFITTED", product="events/nicer"),
        row("j.evt", "LOST EVENTS", "no_data", reason="j.evt: no events in the GTIs."),
    ]


def spectra():
    return [
        spectrum_row("QPO", flags=int(Flag.NO_ENERGY)),
        spectrum_row("NOISE Ω<b>"),
        spectrum_row("SHORT", status="too_short", reason="Longest GTI 3 s, shortest segment 8 s."),
        spectrum_row("DAMAGED", product="", status="truncated", reason="e.evt ends early."),
        spectrum_row("UNFITTED"),
        spectrum_row("LOST EVENTS", product="", status="no_data", reason="j.evt: no events."),
    ]


def fits():
    qpo = ["constant.1", "power_law.1", "lorentzian.1", "lorentzian.2"]
    return [
        model_row("QPO", "noise", 3000.0, components=["constant.1"]),
        model_row("QPO", "power_law", 2100.0),
        model_row("QPO", "power_law_qpo", 2000.0, best=True, components=qpo, outlier_p_value=0.3),
        model_row(
            "NOISE Ω<b>",
            "noise",
            900.0,
            best=True,
            components=["constant.1"],
            lrt_p_value=0.4,
            outlier_p_value=0.01,
        ),
        model_row("NOISE Ω<b>", "power_law", float("nan"), status="error", reason="NaN"),
        model_row("UNFITTED", "noise", float("nan"), status="bad_spectrum", reason="All zero."),
    ]


def parameters():
    return [
        parameter_row("QPO", "constant.1", "level", 0.01),
        parameter_row("QPO", "power_law.1", "amplitude", 0.02),
        parameter_row("QPO", "power_law.1", "slope", 1.2),
        *lorentzian_rows("QPO", 1, variance=0.04, frequency=1.0, fwhm=2.0),
        *lorentzian_rows("QPO", 2, variance=0.01, frequency=5.0, fwhm=0.5),
        parameter_row("NOISE Ω<b>", "constant.1", "level", 0.01, model="noise"),
    ]


def samples():
    key = {"source_id": "QPO", "product": "events/nicer", "model": "power_law_qpo"}
    return [
        key | {"component": "lorentzian.2", "parameter": name, "value": [1.0, 2.0, 3.0]}
        for name in ("frequency", "fwhm")
    ]


def counted(model: dict, parameters: list[dict]) -> dict:
    """Return a row of MODELS with the number of its free parameters."""
    key = ("source_id", "product", "model")
    own = [row for row in parameters if all(row[name] == model[name] for name in key)]
    return model | {"n_free": sum(row["free"] and not row.get("derived") for row in own)}


def write_survey(folder: Path, rows_of_stages: dict) -> dict:
    """Write the stages' files, spread over two shards, and return the driver's arguments."""
    models = [counted(row, rows_of_stages["parameters"]) for row in rows_of_stages["models"]]
    rows_of_stages = rows_of_stages | {"models": models}
    names = ("observations", "ingest", "segment", "fit", "output", "plan")
    paths = {name: folder / name for name in names}
    paths["observations"] = folder / "observations.parquet"
    paths["plan"].mkdir(parents=True)
    write_parquet(paths["observations"], OBSERVATIONS, rows_of_stages["observations"])
    for index in range(SHARDS):
        name = shard_name(index)

        def mine(stage, index=index):
            return [
                row
                for row in rows_of_stages[stage]
                if row["source_id"] and shard_of(row["source_id"], SHARDS) == index
            ]

        lines = ["\t".join(LIST)]
        for row in mine("observations"):
            if row["status"] not in ("duplicate", "set_aside"):
                lines.append("\t".join(str(row.get(c, "")) for c in LIST))
        (paths["plan"] / f"{name}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        write_parquet(paths["ingest"] / f"{name}.parquet", INGEST, mine("ingest"))
        write_parquet(paths["segment"] / f"{name}.parquet", SPECTRA, mine("segment"))
        write_parquet(paths["fit"] / f"{name}.models.parquet", MODELS, mine("models"))
        write_parquet(paths["fit"] / f"{name}.parameters.parquet", PARAMETERS, mine("parameters"))
        write_parquet(paths["fit"] / f"{name}.samples.parquet", SAMPLES, mine("samples"))
    return paths | {
        "options": CatalogOptions(max_failed_fraction=0.7),
        "survey": Survey(archive="archive"),
    }


@pytest.fixture
def rows_of_stages():
    return {
        "observations": file_rows(),
        "ingest": readings(),
        "segment": spectra(),
        "models": fits(),
        "parameters": parameters(),
        "samples": samples(),
    }


@pytest.fixture
def survey_files(tmp_path, rows_of_stages):
    return write_survey(tmp_path / "results", rows_of_stages)


@pytest.fixture
def write():
    return write_survey
