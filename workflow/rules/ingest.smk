# From files to observations. `plan` is a checkpoint: only after it is it known which shards changed.
# A shard's list holds versions, so that a shard is read again when its files change, and only then.

REMOTE = is_remote(survey.archive)


checkpoint plan:
    input:
        **inputs_of(stages.PLAN),
    output:
        **outputs_of(stages.PLAN),
    params:
        **parameters_of(stages.PLAN),
        files=lambda wildcards: "" if REMOTE else archive_fingerprint(survey.archive),
    log:
        "results/logs/plan.log",
    threads: lambda wildcards: workflow.cores
    conda:
        "../envs/pipeline.yaml"
    localrule: REMOTE  # nodes of a cluster often have no network
    shell:
        stages.PLAN.command(survey)


rule ingest:
    input:
        **inputs_of(stages.INGEST),
    output:
        **outputs_of(stages.INGEST),
    params:
        **parameters_of(stages.INGEST),
    log:
        "results/logs/ingest/{shard}.log",
    threads: lambda wildcards: shard_threads(survey, workflow.cores)
    conda:
        "../envs/pipeline.yaml"
    shell:
        stages.INGEST.command(survey)


if REMOTE:

    rule list:
        output:
            **outputs_of(stages.LIST),
        params:
            **parameters_of(stages.LIST),
        log:
            "results/logs/list.log",
        conda:
            "../envs/pipeline.yaml"
        localrule: True
        shell:
            stages.LIST.command(survey)

    rule download:
        input:
            **inputs_of(stages.DOWNLOAD),
        output:
            **outputs_of(stages.DOWNLOAD),
        params:
            **parameters_of(stages.DOWNLOAD),
        log:
            "results/logs/download/{shard}.log",
        resources:
            download=1,  # one at a time, so that the limits of `remote` hold for all together
        conda:
            "../envs/pipeline.yaml"
        localrule: True
        shell:
            stages.DOWNLOAD.command(survey)
