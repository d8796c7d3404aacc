"""The profiles for clusters name rules that there are, and the executors take what they say."""

import argparse
import importlib.util
import logging
import re
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import yaml
from snakemake.cli import parse_args
from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

from pipeline.stages import STAGES

from .conftest import ROOT

PROFILES = ("slurm", "kubernetes")
RULES = {stage.name for stage in STAGES}


def profile(name: str) -> dict:
    """Return a profile as it is written."""
    return yaml.safe_load((ROOT / "profiles" / name / "profile.yaml").read_text())


def needs(executor: str):
    """Return a mark that skips a test where an executor is not installed."""
    module = f"snakemake_executor_plugin_{executor}"
    is_there = importlib.util.find_spec(module) is not None
    return pytest.mark.skipif(not is_there, reason=f"{module} is not installed: .[cluster]")


def executors_settings(name: str, *options: str) -> tuple[argparse.Namespace, object]:
    """Return what Snakemake's own parser makes of a profile, and what its executor does."""
    folder = str(ROOT / "profiles" / name)
    _, given = parse_args(["--workflow-profile", folder, *options])
    plugin = ExecutorPluginRegistry().get_plugin(given.executor)
    plugin.validate_settings(plugin.get_settings(given))
    return given, plugin.get_settings(given)


@pytest.mark.parametrize("name", PROFILES)
def test_rules_of_a_profile_are_rules_of_the_workflow(name):
    written = profile(name)
    named = {*written["set-threads"], *written["set-resources"]}
    named |= {one.partition("=")[0] for one in written.get("groups", [])}
    assert named <= RULES


@pytest.mark.parametrize("name", PROFILES)
def test_a_job_that_is_tried_again_has_more_memory(name):
    written = profile(name)
    every = [written["default-resources"], *written["set-resources"].values()]
    memory = [resources["mem_mb"] for resources in every]
    assert written["retries"] > 0
    assert all(re.fullmatch(r"attempt \* \d+", text) for text in memory)


def test_no_fit_waits_for_an_array_that_never_fills():
    """See the profile: with arrays, the executor forgets jobs unless all that are ready are submitted at once."""
    written = profile("slurm")
    if "slurm-array-jobs" in written:
        assert min(written["jobs"], written["scheduler-subsample"]) > 9999
        assert written["slurm-array-limit"] <= 20


@needs("slurm")
def test_the_executor_for_slurm_takes_its_profile():
    given, settings = executors_settings("slurm")
    assert given.jobs == 200
    assert given.retries == profile("slurm")["retries"]
    assert given.groups == {"ingest": "shards", "segment": "shards"}
    assert settings.array_jobs is None
    assert settings.init_seconds_before_status_checks == 20


@needs("kubernetes")
def test_the_executor_for_kubernetes_takes_its_profile():
    given, settings = executors_settings("kubernetes")
    assert given.container_image == "spectral-timing-pipeline:0.1.0"
    assert given.default_storage_provider == "s3"
    assert given.shared_fs_usage == frozenset()
    assert settings.namespace == "spectral-timing"
    (volume,) = settings.persistent_volumes
    assert (volume.name, str(volume.path)) == ("archive", "/archive")


@needs("kubernetes")
@pytest.mark.parametrize("rule", ["catalog", "fit"])
def test_the_pod_of_a_job_has_what_the_profile_says(rule):
    from snakemake_executor_plugin_kubernetes import Executor

    given, settings = executors_settings("kubernetes")
    pods = []
    executor = Executor.__new__(Executor)  # it would ask a cluster for its version
    executor.logger = logging.getLogger("test")
    executor.workflow, executor.batchapi = Mock(), Mock()
    executor.batchapi.create_namespaced_job = lambda namespace, pod: pods.append((namespace, pod))
    executor.format_job_exec, executor.report_job_submission = lambda job: "true", lambda info: None
    executor.namespace, executor.persistent_volumes = (
        settings.namespace,
        settings.persistent_volumes,
    )
    executor.k8s_cpu_scalar, executor.k8s_service_account_name = settings.cpu_scalar, None
    executor.container_image, executor.privileged = given.container_image, settings.privileged
    executor.run_namespace, executor.secret_envvars = "x", {}
    executor._kubernetes_retry = lambda call: call()
    resources = {"mem_mb": 7, **profile("kubernetes")["set-resources"][rule], "_cores": 4}
    executor.run_job(
        SimpleNamespace(resources=resources, jobid=1, attempt=1, is_containerized=False)
    )
    ((namespace, pod),) = pods
    (container,) = pod.spec.template.spec.containers
    assert namespace == "spectral-timing"
    assert [mount.mount_path for mount in container.volume_mounts] == ["/workdir", "/archive"]
    if rule == "fit":  # Kubernetes refuses a request for a GPU without the same limit
        assert container.resources.requests["nvidia.com/gpu"] == "1"
        assert container.resources.limits["nvidia.com/gpu"] == "1"


@needs("kubernetes")
def test_the_executor_for_kubernetes_says_what_is_wrong_in_a_profile():
    with pytest.raises(Exception, match="has to be <name>:<path>"):
        executors_settings("kubernetes", "--kubernetes-persistent-volumes", "archive")
