"""A configuration is right, or is refused in one line that names the key and what is allowed."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from pipeline.config.base import ConfigError, section_json
from pipeline.config.survey import SECTIONS, load, validate
from pipeline.describe import schema

ROOT = Path(__file__).parents[2]


CONFIGS = [ROOT / "config" / "config.yaml", *sorted((ROOT / "config" / "examples").glob("*.yaml"))]


def test_only_the_archive_is_required():
    survey = validate({"archive": "somewhere"})
    assert survey.fit.models.keys() == {"noise", "power_law", "power_law_qpo"}


@pytest.mark.parametrize(
    ("values", "key", "allowed"),
    [
        ({"shard": 4}, "shard", "did you mean 'shards'?"),
        ({"fit": {"batchsize": 4}}, "fit.batchsize", "batch_size"),
        ({"shards": "many"}, "shards", "integer"),
        ({"shards": 0}, "shards", "greater than or equal to 1"),
        ({"source": {"group_by": "colour"}}, "source.group_by", "'object' or 'position'"),
        ({"archive": "ftp://host/data"}, "archive", "https://, s3://"),
        ({"archive": "https://me:secret@host/data"}, "archive", "no user, password"),
        ({"archive": "https://host/data?token=secret"}, "archive", "no user, password"),
        ({"archive": "s3://"}, "archive", "names no server"),
        (
            {"remote": {"endpoint": "http://me:secret@host"}},
            "remote.endpoint",
            "from the environment",
        ),
        ({"segment": {"dt": 0}}, "segment.dt", "greater than 0"),
        ({"segment": {"norm": "rms"}}, "segment.norm", "'frac', 'leahy' or 'abs'"),
        ({"segment": {"min_bins": 64, "max_bins": 32}}, "segment", "larger than max_bins"),
        ({"ingest": {"band": [10, 2]}}, "ingest.band", "lo < hi"),
        ({"fit": {"models": {}}}, "fit.models", "at least one model"),
        ({"fit": {"models": {"m": []}}}, "fit.models", "no component"),
        ({"fit": {"models": {"m": ["gausian"]}}}, "fit.models.m.0.name", "zero_lorentzian"),
        (
            {"fit": {"models": {"m": [{"power_law": {"index": {}}}]}}},
            "fit.models.m.0.parameters",
            "amplitude, slope",
        ),
        (
            {"fit": {"models": {"m": [{"constant": {"level": {"prior": {"zipf": 1}}}}]}}},
            "fit.models.m.0.parameters.level.prior",
            "loguniform",
        ),
        (
            {"fit": {"models": {"m": [{"constant": {"level": {"start": 3, "bounds": [1, 2]}}}]}}},
            "fit.models.m.0.parameters",
            "within its bounds [1, 2]",
        ),
        (
            {"fit": {"models": {"m": [{"constant": {"level": {"bounds": [-1, 2]}}}]}}},
            "fit.models.m.0.parameters",
            "must be positive",
        ),
        (
            {"fit": {"detection": {"component": "power_law"}}},
            "fit.detection.component",
            "not a peak",
        ),
        ({"fit": {"criterion": {"by": "aic"}}}, "fit.criterion.by", "'evidence'"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(values, key, allowed):
    with pytest.raises(ConfigError) as error:
        validate({"archive": ".", **values})
    message = str(error.value)
    assert message.startswith(f"{key}: ")
    assert allowed in message
    assert "\n" not in message


def test_a_misspelt_key_is_named_before_the_one_that_is_then_missing():
    with pytest.raises(ConfigError, match=r"^archiv: unknown key; did you mean 'archive'\?"):
        validate({"archiv": "."})


def test_reading_a_configuration_imports_nothing_heavy():
    program = (
        "import sys, pipeline.workflow; from pipeline.config.survey import validate; validate({'archive': '.'});"
        "print({m.split('.')[0] for m in sys.modules} & {'jax', 'numpy', 'numpyro', 'astropy', 'dask'})"
    )
    command = [sys.executable, "-c", program]
    out = subprocess.run(command, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"


@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_survives_the_way_through_the_command_line(name):
    section = getattr(validate({"archive": "."}), name)
    assert validate(json.loads(section_json(section)), SECTIONS[name]) == section


def test_a_file_that_is_not_there_or_not_yaml_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("archive: [1,\n")
    with pytest.raises(ConfigError, match="not YAML"):
        load(tmp_path / "bad.yaml")
    (tmp_path / "list.yaml").write_text("- archive\n")
    with pytest.raises(ConfigError, match="mapping"):
        load(tmp_path / "list.yaml")


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.name)
def test_the_surveys_in_the_repository_are_valid(file):
    load(file)
    jsonschema.validate(yaml.safe_load(file.read_text(encoding="utf-8")), schema())
