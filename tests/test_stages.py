"""Stages are declared once; the commands, the drivers and the rules are in step with the declarations."""

import importlib
import inspect
import json
import os
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline import stages
from pipeline.closure import code_version
from pipeline.columns.base import Column, Table
from pipeline.columns.registry import CATALOGUE, TABLES
from pipeline.commands import _parser
from pipeline.config.survey import validate
from pipeline.declared import File, Folder, Section, remote
from pipeline.stages import CATALOG, FIT, PLAN, REPORT, SEGMENT, STAGES
from pipeline.workflow import inputs, outputs, parameters, shard_threads

HERE = validate({"archive": "/data", "report": {"truth": "/truth.parquet"}, "shards": 2})
THERE = validate({"archive": "https://archive.org/data", "remote": {"copies": "/copies"}})
RULES = [stage for stage in STAGES if stage is not stages.SIMULATE]
EXTRA = Table("EXTRA", "One more table.", (Column("name", "str", "Name."),), ("name",))

by_name = pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)


class Names:
    """Stands for Snakemake's inputs and outputs: by name and by number."""

    def __init__(self, **paths):
        vars(self).update(paths)

    def __getitem__(self, number):
        return list(vars(self).values())[number]


def command_of(name):
    """The parser of one command."""
    (commands,) = (a for a in _parser()._actions if a.choices and name in a.choices)
    return commands.choices[name]


def rendered(stage, survey):
    """The command of a stage with its placeholders filled as Snakemake fills them."""
    paths = inputs(stage, survey)
    given = {
        "input": Names(**paths),
        "output": Names(**{n: f.pattern(survey) for n, f in outputs(stage, survey).items()}),
        "threads": 3,
    }

    def value(parameter):
        if isinstance(parameter, str):
            return parameter
        wanted = inspect.signature(parameter).parameters
        return parameter(None, **{name: given[name] for name in wanted if name in given})

    found = {name: value(p) for name, p in parameters(stage, survey).items()}
    given["params"] = Names(**found)
    text = re.sub(
        r"\{(\w+)\.(\w+):q\}",
        lambda m: shlex.quote(getattr(given[m[1]], m[2])),
        stage.command(survey),
    )
    command, _, log = text.partition(" > ")
    assert log == "{log} 2>&1"
    assert command.startswith(f"python -m pipeline {stage.name} ")
    return command, found


@by_name
def test_the_options_of_a_command_are_the_arguments_of_its_driver(stage):
    module, _, function = stage.driver.partition(":")
    driver = getattr(importlib.import_module(f"pipeline.{module}"), function)
    wanted = [p for p in inspect.signature(driver).parameters.values() if p.name != "outputs"]
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in wanted)
    options = {a.dest: a for a in command_of(stage.name)._actions if a.dest != "help"}
    names = {parameter.name for parameter in wanted}
    if stage.name == "fit":  # its outputs are the tables of the fits and those of the analyses
        names |= set(importlib.import_module("pipeline.fit.driver").TABLES)
    assert set(options) == names
    for parameter in wanted:
        may_be_left_out = parameter.default is not parameter.empty
        if may_be_left_out:
            assert not options[parameter.name].required, parameter.name


@pytest.mark.parametrize("survey", [HERE, THERE], ids=["folder", "server"])
@pytest.mark.parametrize("stage", RULES, ids=lambda stage: stage.name)
def test_the_command_of_a_rule_is_understood(stage, survey):
    command, _ = rendered(stage, survey)
    arguments = vars(_parser().parse_args(shlex.split(command)[3:]))
    assert arguments.pop("target") == stage.driver
    for name, file in outputs(stage, survey).items():
        if file.is_option:
            assert str(arguments[name]) == file.pattern(survey)
    for argument in stage.arguments:
        if isinstance(argument, Section) and argument.name == "options":
            whole = getattr(survey, argument.section).model_dump()
            found = arguments["options"].model_dump()
            keys = argument.keys or whole
            assert {k: found[k] for k in keys} == {k: whole[k] for k in keys}


def test_a_remote_archive_has_options_of_its_own_and_a_folder_has_not():
    for option in ("--listing", "--copies", "--remote"):
        assert option not in rendered(PLAN, HERE)[0]
        assert option in rendered(PLAN, THERE)[0]
    assert "downloaded" in inputs(stages.INGEST, THERE)
    assert "downloaded" not in inputs(stages.INGEST, HERE)
    assert rendered(stages.INGEST, THERE)[0].count("--copies /copies") == 1
    assert "--truth" not in rendered(REPORT, THERE)[0]
    assert "--truth /truth.parquet" in rendered(REPORT, HERE)[0]


def test_energies_are_read_where_a_product_of_the_survey_needs_them(monkeypatch):
    assert "--energies" not in rendered(stages.INGEST, HERE)[0]
    monkeypatch.setattr(stages.PRODUCTS[0], "needs_energies", True, raising=False)
    assert "--energies 1" in rendered(stages.INGEST, HERE)[0]


def test_every_table_has_one_stage_that_writes_it_and_the_catalogue_publishes_copies():
    home = {}
    for stage in STAGES:
        for file in stage.writes:
            if file.table is not None and (stage is not CATALOG or file.table.name not in home):
                assert file.table.name not in home, file.table.name
                home[file.table.name] = stage.name
    assert set(home) == set(TABLES)
    published = {file.table for file in CATALOG.writes if file.table}
    assert set(CATALOGUE) <= published


def test_what_is_read_is_what_another_stage_writes():
    for stage in STAGES:
        written = {(f.path, f.table) for other in STAGES for f in other.writes}
        folders = {f.path for other in STAGES for f in other.writes if f.is_folder}
        for one in stage.reads:
            if isinstance(one, Folder):
                assert one.files
                assert one.tables is None or {f.table for f in one.files} == set(one.tables)
            elif isinstance(one.path, str):
                inside_a_folder = one.path.rpartition("/")[0] in folders
                assert (one.path, one.table) in written or inside_a_folder, one


def test_a_job_of_a_shard_reads_its_own_tables_and_the_merge_those_of_all_shards():
    assert inputs(SEGMENT, HERE) == {"input": "results/ingest/{shard}.parquet"}
    found = inputs(CATALOG, HERE)
    assert found["fit_models"] == "results/fit/{shard}.models.parquet"
    assert found["ingest_output"] == "results/ingest/{shard}.parquet"
    assert found["plan"] == "results/plan"
    assert "fit_curves" not in found
    command, values = rendered(CATALOG, HERE)
    assert values["fit"] == "results/fit"
    assert values["output"] == "results/catalog"
    assert "--segment results/segment" in command


def recorded(stage, survey):
    """What Snakemake remembers of a job: parameters that depend on nothing but the wildcards."""
    found = {}
    for name, parameter in parameters(stage, survey).items():
        if isinstance(parameter, str):
            found[name] = parameter
        elif set(inspect.signature(parameter).parameters) == {"wildcards"}:
            found[name] = parameter(None)
    return found


def test_a_job_runs_again_for_what_changes_its_results_and_for_nothing_else():
    def changed(stage, **values):
        other = validate({**HERE.model_dump(mode="json"), **values})
        before, after = recorded(stage, HERE), recorded(stage, other)
        return {name for name in before.keys() | after if before.get(name) != after.get(name)}

    elsewhere = {"address": "tcp://10.0.0.1:8786"}
    for stage in (PLAN, stages.INGEST, SEGMENT, FIT, CATALOG, REPORT):
        assert changed(stage, cluster=elsewhere) == set(), stage.name
        assert recorded(stage, HERE)["code"] == code_version(stage.package)
    assert changed(SEGMENT, cluster={"item_timeout": 1.0}) == {"cluster_reasons"}
    assert changed(PLAN, cluster={"item_timeout": 1.0}) == set()
    assert changed(SEGMENT, segment={"rebin": 0.1}) == {"options"}
    assert changed(PLAN, ingest={"band": [1.0, 2.0]}) == set()
    assert changed(PLAN, ingest={"max_decompressed": 10**6}) == {"options"}
    assert changed(PLAN, shards=3) == {"shards"}
    assert changed(PLAN, archive="/other") == {"archive"}
    assert changed(stages.INGEST, archive="/other") == set()
    assert changed(CATALOG, fit={"starts": 7}) == {"survey"}
    assert changed(CATALOG, report={"title": "x"}) == set()


def test_a_column_pattern_in_the_configuration_is_not_in_a_text_that_snakemake_formats():
    for stage in RULES:
        constant = [n for n, p in parameters(stage, HERE).items() if isinstance(p, str)]
        assert constant == ["code"]


def test_a_worker_a_thread_and_the_threads_of_a_shard():
    _, values = rendered(SEGMENT, HERE)
    assert json.loads(values["cluster"])["workers"] == 3
    assert shard_threads(HERE, 8) == 4
    assert shard_threads(HERE, 1) == 1
    chosen = validate({"archive": "/data", "cluster": {"workers": 5}})
    assert shard_threads(chosen, 8) == 5


def test_a_table_more_in_a_stage_is_one_declaration():
    """The rule, the command and the inputs of the merge follow from it."""
    more = File("extra", "fit/{shard}.extra.parquet", EXTRA)
    fit = replace(FIT, writes=(*FIT.writes, more))
    catalog = replace(CATALOG, reads=(Folder("fit", fit),))
    assert outputs(fit, HERE)["extra"].pattern(HERE) == "results/fit/{shard}.extra.parquet"
    assert "--extra results/fit/{shard}.extra.parquet" in rendered(fit, HERE)[0].replace("'", "")
    assert inputs(catalog, HERE)["fit_extra"] == "results/fit/{shard}.extra.parquet"
    assert fit.written(EXTRA).inside("shard-0001") == "shard-0001.extra.parquet"


def test_an_output_that_a_survey_did_not_ask_for_is_not_expected():
    more = File("extra", "segment/{shard}.extra.parquet", EXTRA, is_option=False, when=remote)
    segment = replace(SEGMENT, writes=(*SEGMENT.writes, more))
    assert "extra" in outputs(segment, THERE)
    assert "extra" not in outputs(segment, HERE)
    assert "extra" not in rendered(segment, THERE)[0]
    merge = replace(CATALOG, reads=(Folder("segment", segment),))
    assert "segment_extra" in inputs(merge, THERE)
    assert "segment_extra" not in inputs(merge, HERE)


def test_every_stage_of_the_workflow_has_a_rule():
    folder = Path(__file__).parents[1] / "workflow" / "rules"
    text = "".join(file.read_text() for file in folder.glob("*.smk"))
    rules = set(re.findall(r"^ *(?:rule|checkpoint) (\w+):", text, re.MULTILINE))
    assert rules == {stage.name for stage in RULES}
    for stage in RULES:
        assert text.count(f"stages.{stage.name.upper()}.command(survey)") == 1


ODD = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
BYTES = st.binary(min_size=1).map(lambda b: os.fsdecode(b.replace(b"\0", b"").replace(b"/", b"")))


@settings(max_examples=50, deadline=None, derandomize=True, database=None)
@given(ODD, ODD, BYTES, BYTES)
@example("{x} {{y}} {shard}", "a {input}", "{1}", "-{n}")
@example("%s $(id) `id` ; \"'\\", "\r\n\t\u2028\x85\x1b", "\udcff\udcfe", "\r\n'\"")
def test_any_text_of_a_configuration_reaches_the_stages(title, model, folder, other):
    values = {
        "archive": f"/{folder}/a",
        "report": {"title": title, "truth": f"/{other}.parquet"},
        "fit": {"models": {model: ["constant"]}},
        "ingest": {"tables": [{"files": title, "columns": {"time": 1, "rate": model}}]},
    }
    survey = validate(values)
    for stage in (PLAN, stages.INGEST, FIT, CATALOG, REPORT):
        command, _ = rendered(stage, survey)
        arguments = vars(_parser().parse_args(shlex.split(command)[3:]))
        for name, wanted in (("archive", Path(survey.archive)), ("truth", survey.report.truth)):
            assert arguments.get(name, wanted) == type(arguments.get(name, wanted))(wanted)
        if stage is FIT:
            assert arguments["options"] == survey.fit
        if stage is REPORT:
            assert arguments["options"] == survey.report
        assert not any(
            "{" in path.replace("{shard}", "") for path in inputs(stage, survey).values()
        )
        found = parameters(stage, survey)
        texts = [value for value in found.values() if isinstance(value, str)]
        assert not any("{" in text for text in texts)
