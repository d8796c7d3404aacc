"""From an archive to a catalogue: plan, ingest, segment, fit, catalog, report.

`make run` calls this workflow; by hand: `snakemake --cores 2 --config archive=FOLDER`.
"""

import os
import shlex
import sys

from snakemake.utils import min_version

from pipeline import stages
from pipeline.config.archive import is_remote
from pipeline.config.base import ConfigError
from pipeline.config.survey import validate
from pipeline.service.beside import start_beside_this_process
from pipeline.workflow import (
    archive_fingerprint,
    check_paths,
    components_version,
    fit_threads,
    inputs,
    is_group,
    outputs,
    parameters,
    resolve,
    shard_threads,
    shards_with_sources,
    state_of,
)

min_version("9.20")

# A survey's own file stands alone: merged into the default one, it would inherit its models.
if not workflow.overwrite_configfiles:

    configfile: os.path.join(workflow.basedir, "config", "config.yaml")


try:
    survey = resolve(validate(config))
    check_paths(survey)
    if not is_remote(survey.archive) and not os.path.isdir(survey.archive):
        raise ConfigError(f"archive: {survey.archive!r} is not there yet; `make run` simulates it")
except ConfigError as error:
    print(f"configuration: {error}", file=sys.stderr)
    sys.exit(2)

# A node that runs a group of jobs imports what they need once.
if workflow.remote_exec and is_group(sys.argv):
    start_beside_this_process()

# Jobs run under the interpreter that runs Snakemake, whether or not its environment is activated.
shell.prefix(f"export PATH={shlex.quote(os.path.dirname(sys.executable))}:$PATH; ")


wildcard_constraints:
    shard=r"shard-\d{4}",


rule all:
    input:
        [
            file.pattern(survey)
            for stage in (stages.CATALOG, stages.REPORT)
            for file in outputs(stage, survey).values()
        ],
    default_target: True


include: "workflow/rules/common.smk"
include: "workflow/rules/ingest.smk"
include: "workflow/rules/segment.smk"
include: "workflow/rules/fit.smk"
include: "workflow/rules/catalog.smk"
include: "workflow/rules/report.smk"
