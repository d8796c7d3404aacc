"""A configuration is right, or is refused in one line that names the key and what is allowed."""

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from pipeline.components import COMPONENTS
from pipeline.config.base import ConfigError, section_json
from pipeline.config.fit import FitOptions
from pipeline.config.survey import SECTIONS, Survey, load, validate
from pipeline.describe import README_FILE, SCHEMA_FILE, options, readme_text, schema, schema_text
from pipeline.priors import PRIORS
from pipeline.shards import shard_name, shard_of
from pipeline.workflow import (
    archive_fingerprint,
    check_paths,
    cluster_json,
    fit_threads,
    resolve,
    survey_json,
)

ROOT = Path(__file__).parents[1]
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


@pytest.mark.parametrize("url", ["https://host/data", "s3://bucket/some/prefix"])
def test_a_server_is_an_archive_and_keeps_its_address(url):
    survey = validate({"archive": f"{url}/"})
    check_paths(survey)
    assert resolve(survey).archive == url


def test_no_secret_is_repeated_in_the_message_that_refuses_it():
    with pytest.raises(ConfigError) as error:
        validate({"archive": "https://me:secret@host/data?token=secret"})
    assert "secret" not in str(error.value)


def test_a_misspelt_key_is_named_before_the_one_that_is_then_missing():
    with pytest.raises(ConfigError, match=r"^archiv: unknown key; did you mean 'archive'\?"):
        validate({"archiv": "."})


@pytest.mark.parametrize("name", PRIORS)
def test_a_prior_takes_the_declared_number_of_arguments(name):
    def with_arguments(count):
        numbers = [0.5 + i for i in range(count)]
        return {"m": [{"constant": {"level": {"prior": {name: numbers}}}}]}

    number = len(PRIORS[name])
    FitOptions(models=with_arguments(number))
    with pytest.raises(ConfigError, match=f"{name} takes {number} argument"):
        validate({"models": with_arguments(number + 1)}, FitOptions)


def test_a_component_is_a_name_or_a_name_with_what_is_said_of_it():
    long = {"name": "lorentzian", "up_to": 6, "parameters": {"fwhm": {"bounds": [0.1, 1]}}}
    short = {"lorentzian": {"up_to": 6, "fwhm": {"bounds": [0.1, 1]}}}
    models = validate({"models": {"a": [long], "b": [short], "c": ["lorentzian"]}}, FitOptions)
    assert models.models["a"] == models.models["b"]
    assert models.models["c"][0].up_to == 1


def _parameter(component, name, told):
    """What a configuration says of one parameter, validated."""
    models = validate({"models": {"m": [{component: {name: told}}]}}, FitOptions).models
    return models["m"][0].parameters[name]


def test_a_prior_may_stand_in_the_place_of_the_options_or_beside_them():
    long = {"prior": {"loguniform": [0.1, 10]}, "start": 2}
    short = {"loguniform": [0.1, 10], "start": 2}
    assert _parameter("lorentzian", "frequency", long) == _parameter(
        "lorentzian", "frequency", short
    )
    alone = _parameter("constant", "level", {"half_normal": 3})
    assert alone.prior == {"half_normal": [3.0]}


def test_numbers_in_another_unit_are_turned_into_the_parameters_own():
    told = {
        "unit": "mHz",
        "bounds": [1, 500],
        "start": 20,
        "fixed": 30,
        "truncated_normal": [20, 5, 1, 100],
    }
    found = _parameter("lorentzian", "frequency", told)
    assert found.bounds == pytest.approx((0.001, 0.5))
    assert (found.start, found.fixed) == pytest.approx((0.02, 0.03))
    assert found.prior["truncated_normal"] == pytest.approx([0.02, 0.005, 0.001, 0.1])
    assert found.unit is None
    lognormal = _parameter("lorentzian", "fwhm", {"unit": "kHz", "lognormal": [0.0, 0.5]})
    assert lognormal.prior["lognormal"] == pytest.approx([math.log(1e3), 0.5])
    gamma = _parameter("lorentzian", "fwhm", {"unit": "kHz", "gamma": [2.0, 3.0]})
    assert gamma.prior["gamma"] == pytest.approx([2.0, 0.003])


def test_what_is_said_of_a_parameter_survives_the_way_through_the_command_line():
    told = [
        {"lorentzian": {"frequency": {"unit": "mHz", "bounds": [1, 500], "scale": "linear"}}},
        {"lorentzian": {"frequency": {"tied": {"to": "lorentzian.1.frequency", "factor": 2}}}},
        {"gaussian": {"frequency": {"tied": "lorentzian.1.frequency"}, "width": {"levy": [1, 2]}}},
    ]
    fit = validate({"models": {"m": told}}, FitOptions)
    assert validate(json.loads(section_json(fit)), FitOptions) == fit
    tied = [c.parameters["frequency"].tied for c in fit.models["m"]]
    assert tied[0] is None
    assert [(t.to, t.factor) for t in tied[1:]] == [("lorentzian.1.frequency", f) for f in (2, 1)]


def test_reading_a_configuration_imports_nothing_heavy():
    program = (
        "import sys, pipeline.workflow; from pipeline.config.survey import validate; validate({'archive': '.'});"
        "print({m.split('.')[0] for m in sys.modules} & {'jax', 'numpy', 'numpyro', 'astropy', 'dask'})"
    )
    command = [sys.executable, "-c", program]
    out = subprocess.run(command, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"


TIE = {"tied": "lorentzian.1.frequency"}


@pytest.mark.parametrize(
    ("components", "fault"),
    [
        ([{"lorentzian": {"fwhm": {"unit": "ms"}}}], "lorentzian.fwhm: unit ms is not one of Hz"),
        ([{"power_law": {"slope": {"unit": "Hz"}}}], "unit Hz is not one of a number"),
        ([{"lorentzian": {"fwhm": {"unit": "pc"}}}], "'pc' is not a unit; allowed: nHz"),
        ([{"lorentzian": {"fwhm": {"unit": "mHz", "beta": [1, 2]}}}], "prior beta has no unit"),
        ([{"lorentzian": {"fwhm": {"scale": "sqrt"}}}], "'log' or 'linear'"),
        ([{"power_law": {"slope": {"scale": "log"}}}], "must be positive on a log scale"),
        ([{"constant": {"level": {"normal": [1, -1]}}}], "scale of normal must be positive"),
        ([{"constant": {"level": {"loguniform": [0, 1]}}}], "low of loguniform must be positive"),
        ([{"constant": {"level": {"uniform": [2, 1]}}}], "uniform needs low < high"),
        ([{"constant": {"level": {"uniform": [1, math.inf]}}}], "high of uniform must be finite"),
        (
            [{"constant": {"level": {"uniform": [1, 2], "prior": {"normal": [1, 2]}}}}],
            "two priors: `prior` and uniform",
        ),
        ([{"constant": {"level": {"uniform": [1, 2], "normal": [1, 2]}}}], "must be one prior"),
        ([{"lorentzian": {"frequency": TIE}}], "which is tied itself"),
        ([{"gaussian": {"frequency": TIE}}, "lorentzian"], "or one before; allowed: gaussian.1.v"),
        (
            ["lorentzian", {"gaussian": {"frequency": {**TIE, "start": 1}}}],
            "a tied parameter takes no start",
        ),
        (
            ["lorentzian", {"gaussian": {"frequency": {"tied": {"to": "x", "factor": 0}}}}],
            "frequency.tied.factor: input should be greater than 0",
        ),
        (
            ["lorentzian", {"gaussian": {"frequency": {"tied": {"to": "x", "facto": 2}}}}],
            "did you mean 'factor'? Allowed: factor, to",
        ),
        (
            [{"lorentzian": {"up_to": 2}}, {"gaussian": {"width": {"tied": "lorentzian.2.fwhm"}}}],
            "a copy that is not always there",
        ),
        (
            ["power_law", {"constant": {"level": {"tied": "power_law.1.slope"}}}],
            "constant.1.level must be positive",
        ),
    ],
)
def test_what_is_wrong_with_a_parameter_is_said_in_one_line(components, fault):
    with pytest.raises(ConfigError, match=re.escape(fault)) as error:
        validate({"models": {"m": components}}, FitOptions)
    assert str(error.value).startswith("models")
    assert "\n" not in str(error.value)


def test_zero_is_allowed_on_a_linear_scale():
    told = {"scale": "linear", "fixed": 0, "bounds": [0, 50]}
    assert _parameter("lorentzian_numax", "q", told).fixed == 0


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


def test_paths_have_to_exist_but_for_an_archive_that_is_to_be_simulated(tmp_path):
    missing = str(tmp_path / "none")
    with pytest.raises(ConfigError, match=r"^archive: .*none"):
        check_paths(validate({"archive": missing}))
    check_paths(validate({"archive": missing, "simulate": {"enabled": True}}))
    with pytest.raises(ConfigError, match=r"^report\.truth: "):
        check_paths(validate({"archive": str(tmp_path), "report": {"truth": missing}}))


def test_the_truth_is_looked_for_beside_the_archive(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "archive").mkdir()
    survey = validate({"archive": "archive"})
    assert resolve(survey).report.truth is None
    (tmp_path / "archive-truth.parquet").touch()
    resolved = resolve(survey)
    assert resolved.report.truth == str(tmp_path / "archive-truth.parquet")
    assert resolved.archive == str(tmp_path / "archive")
    assert resolve(resolved) == resolved


def test_results_inside_the_archive_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="holds the folder of the results"):
        resolve(validate({"archive": str(tmp_path)}), tmp_path / "survey" / "results")


def test_the_fingerprint_of_an_archive_sees_files_come_go_and_change(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one.fits").write_text("1")
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    seen = [archive_fingerprint(tmp_path)]
    (tmp_path / "two.fits").write_text("2")
    seen.append(archive_fingerprint(tmp_path))
    os.utime(tmp_path / "two.fits", ns=(1, 1))
    seen.append(archive_fingerprint(tmp_path))
    assert len(set(seen)) == 3
    (tmp_path / "two.fits").unlink()
    assert archive_fingerprint(tmp_path) == seen[0]
    with pytest.raises(ConfigError, match="none"):
        archive_fingerprint(tmp_path / "none")


def test_a_worker_a_thread_unless_the_configuration_says_how_many():
    survey = validate({"archive": "."})
    assert json.loads(cluster_json(survey, 3))["workers"] == 3
    survey = validate({"archive": ".", "cluster": {"workers": 5}})
    assert json.loads(cluster_json(survey, 3))["workers"] == 5


def test_a_catalogue_is_not_made_anew_for_a_title_or_a_cluster():
    plain = validate({"archive": "."})
    cosmetic = {"report": {"title": "new"}, "cluster": {"workers": 3}}
    assert survey_json(validate({"archive": ".", **cosmetic})) == survey_json(plain)
    changed = {"segment": {"rebin": 0.1}}
    assert survey_json(validate({"archive": ".", **changed})) != survey_json(plain)
    assert Survey(**json.loads(survey_json(plain))) == plain


def test_a_source_has_one_shard_on_every_machine():
    assert shard_of("SIMJ0001+0102", 1024) == 202
    shards = [shard_of(f"source {i}", 4) for i in range(4000)]
    assert min(shards.count(i) for i in range(4)) > 900
    assert shard_name(3) == "shard-0003"


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.name)
def test_the_surveys_in_the_repository_are_valid(file):
    load(file)
    jsonschema.validate(yaml.safe_load(file.read_text(encoding="utf-8")), schema())


def test_the_schema_knows_components_and_keys():
    def with_model(component):
        return {"archive": ".", "fit": {"models": {"m": [component]}}}

    tie = {"tied": {"to": "lorentzian.1.fwhm", "factor": 2}}
    for right in (
        {"lorentzian": {"up_to": 3, "fwhm": {"fixed": 1}}},
        {"lorentzian": {"fwhm": tie, "frequency": {"loguniform": [1, 9], "unit": "mHz"}}},
        {"lorentzian": {"fwhm": {"tied": "lorentzian.1.fwhm"}, "variance": {"half_normal": 1}}},
        "module:name",
        {"module.part:name": {"up_to": 2, "anything": {"fixed": 1}}},
    ):
        jsonschema.validate(with_model(right), schema())
    for wrong in (
        "gausian",
        "module:",
        {"module:name": {"anything": 1}},
        {"lorentzian": {"fwhm": {"unit": "pc"}}},
        {"lorentzian": {"width": {}}},
        {"power_law": 1},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(with_model(wrong), schema())


def test_schema_and_page_of_options_are_what_the_code_says():
    remedy = "run `python -m pipeline config --write`"
    assert (ROOT / SCHEMA_FILE).read_text(encoding="utf-8") == schema_text(), remedy
    assert (ROOT / README_FILE).read_text(encoding="utf-8") == readme_text(), remedy


def test_every_option_and_component_is_described():
    page = readme_text()
    for name, section in {"": Survey, **SECTIONS}.items():
        for option in options(section, name and f"{name}."):
            assert option.description.endswith("."), option.key
            assert f"`{option.key}`" in page
    assert all(f"| `{name}` |" in page for name in COMPONENTS)


def test_a_fit_job_has_its_share_of_the_cores_and_on_a_gpu_all_of_them():
    def threads(cores, shards=4, elsewhere=False, **fit):
        survey = validate({"archive": "x", "shards": shards, "fit": fit})
        return fit_threads(survey, cores, elsewhere)

    assert [threads(cores, platform="cpu") for cores in (1, 2, 4, 16)] == [1, 1, 1, 4]
    assert threads(16, platform="gpu") == 16
    assert threads(16, threads=3, platform="gpu") == threads(2, threads=3, platform="cpu") == 3


def test_a_gpu_is_looked_for_on_the_machine_that_runs_the_job(monkeypatch):
    """On a cluster the Snakefile is also parsed on a login node, which says nothing of the others."""

    def threads(platform, elsewhere):
        survey = validate({"archive": "x", "shards": 4, "fit": {"platform": platform}})
        return fit_threads(survey, 16, elsewhere)

    for found, here in (([], 4), ([Path("/dev/nvidia0")], 16)):
        monkeypatch.setattr(Path, "glob", lambda *_, found=found: iter(found))
        assert threads("auto", elsewhere=False) == here
        assert threads("auto", elsewhere=True) == 4
        assert threads("gpu", elsewhere=True) == 16
        assert threads("cpu", elsewhere=False) == 4
