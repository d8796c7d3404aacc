# From files to observations. `plan` is a checkpoint: only after it is it known which shards changed.
# A shard's list holds versions, so that a shard is read again when its files change, and only then.

REMOTE = is_remote(survey.archive)
LISTING = "results/listing.parquet"
COPIES = survey.remote.copies or "results/copies"


checkpoint plan:
    input:
        # `pipeline run` lists anew; a listing that did not change is left as it is.
        listing=[LISTING] if REMOTE else [],
    output:
        observations="results/observations.parquet",
        plan=directory("results/plan"),
    params:
        archive=survey.archive,
        files=lambda wildcards: "" if REMOTE else archive_fingerprint(survey.archive),
        # A function: {1} in it is no wildcard.
        options=lambda wildcards: section_json(survey.ingest, only=SCANNED_BY),
        source=section_json(survey.source),
        shards=survey.shards,
        code=code_version("ingest"),
        # Not a reason to plan again: what depends on threads, input or output is not recorded.
        cache=lambda wildcards, output: output.observations.replace("observations", ".scan"),
        cluster=lambda wildcards, threads: cluster_json(survey, threads),
        remote=lambda wildcards, input: (
            ["--listing", input.listing, "--copies", COPIES]
            + ["--remote", section_json(survey.remote)]
            if REMOTE
            else []
        ),
    log:
        "results/logs/plan.log",
    threads: lambda wildcards: workflow.cores
    conda:
        "../envs/pipeline.yaml"
    localrule: REMOTE  # nodes of a cluster often have no network
    shell:
        "python -m pipeline plan --archive {params.archive:q} --observations {output.observations}"
        " --plan {output.plan} --cache {params.cache} --shards {params.shards}"
        " --options {params.options:q} --source {params.source:q} --cluster {params.cluster:q}"
        " {params.remote:q} > {log} 2>&1"


rule ingest:
    input:
        plan=planned("results/plan/{shard}.tsv"),
        downloaded=planned("results/download/{shard}.tsv") if REMOTE else [],
    output:
        "results/ingest/{shard}.parquet",
    params:
        options=lambda wildcards: section_json(survey.ingest),  # {1} in it is no wildcard
        limits=[survey.cluster.memory_limit, survey.cluster.item_timeout],
        code=code_version("ingest"),
        archive=lambda wildcards, input: survey.archive,
        cluster=lambda wildcards, threads: cluster_json(survey, threads),
        remote=lambda wildcards, input: (
            ["--copies", COPIES, "--downloaded", input.downloaded] if REMOTE else []
        ),
    log:
        "results/logs/ingest/{shard}.log",
    threads: lambda wildcards: survey.cluster.workers or max(1, workflow.cores // survey.shards)
    conda:
        "../envs/pipeline.yaml"
    shell:
        "python -m pipeline ingest --archive {params.archive:q} --plan {input.plan}"
        " --output {output} --options {params.options:q} --cluster {params.cluster:q}"
        " {params.remote:q} > {log} 2>&1"


if REMOTE:

    rule list:
        output:
            LISTING,
        params:
            archive=survey.archive,
            options=lambda wildcards, output: section_json(survey.remote),
        log:
            "results/logs/list.log",
        conda:
            "../envs/pipeline.yaml"
        localrule: True
        shell:
            "python -m pipeline list --archive {params.archive:q} --output {output}"
            " --options {params.options:q} > {log} 2>&1"

    rule download:
        input:
            plan=planned("results/plan/{shard}.tsv"),
        output:
            "results/download/{shard}.tsv",
        params:
            archive=survey.archive,
            listing=lambda wildcards, input: LISTING,
            copies=lambda wildcards, input: COPIES,
            options=lambda wildcards, input: section_json(survey.remote),
        log:
            "results/logs/download/{shard}.log",
        resources:
            download=1,  # one at a time, so that the limits of `remote` hold for all together
        conda:
            "../envs/pipeline.yaml"
        localrule: True
        shell:
            "python -m pipeline download --archive {params.archive:q} --plan {input.plan}"
            " --listing {params.listing} --copies {params.copies:q} --output {output}"
            " --options {params.options:q} > {log} 2>&1"
