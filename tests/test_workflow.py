"""What the Snakefile asks of a survey: its paths, fingerprints, threads and options as JSON."""

import json
import os
from pathlib import Path

import pytest

from pipeline.config.base import ConfigError
from pipeline.config.survey import Survey, validate
from pipeline.workflow import (
    archive_fingerprint,
    check_paths,
    cluster_json,
    fit_threads,
    is_group,
    leftovers,
    resolve,
    shards_with_sources,
    survey_json,
)


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


def test_shards_without_sources_have_no_job_and_lose_their_tables(tmp_path):
    survey = validate({"archive": ".", "shards": 3})
    assert shards_with_sources(survey, tmp_path) == ["shard-0000", "shard-0001", "shard-0002"]
    plan = tmp_path / "results" / "plan"
    plan.mkdir(parents=True)
    for number, text in enumerate(("source_id\n", "source_id\na\n", "source_id\nb\nc\n")):
        (plan / f"shard-000{number}.tsv").write_text(text)
    assert shards_with_sources(survey, tmp_path) == ["shard-0001", "shard-0002"]

    tables = ("ingest/{}.parquet", "segment/{}.parquet", "fit/{}.models.parquet")
    files = {
        shard: {tmp_path / "results" / table.format(shard) for table in tables}
        for shard in ("shard-0000", "shard-0001", "shard-0007")
    }
    for path in set().union(*files.values()):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (tmp_path / "results" / "fit" / "shard-0000.txt").touch()  # somebody's own
    assert set(leftovers(survey, tmp_path)) == files["shard-0000"] | files["shard-0007"]


def test_a_group_of_jobs_is_told_from_a_job():
    group = ["snakemake", "--target-jobs", "ingest:shard=shard-0000", "segment:shard=shard-0000"]
    assert is_group([*group, "--cores", "2"])
    assert not is_group([*group[:3], "--cores", "2"])
    assert not is_group(["snakemake", "--cores", "2"])
