# From files to observations. `plan` is a checkpoint: only after it is it known which shards changed.
# A shard's list holds checksums, so that a shard is read again when its files change, and only then.


checkpoint plan:
    output:
        manifest="results/manifest.parquet",
        plan=directory("results/plan"),
    params:
        archive=survey.archive,
        files=lambda wildcards: archive_fingerprint(survey.archive),
        options=lambda wildcards: section_json(survey.ingest),  # {1} in it is no wildcard
        source=section_json(survey.source),
        shards=survey.shards,
        code=code_version("ingest", "columns", "status", "tables"),
        # Not a reason to plan again: what depends on threads, input or output is not recorded.
        cache=lambda wildcards, output: output.manifest.replace("manifest", ".scan"),
        cluster=lambda wildcards, threads: cluster_json(survey, threads),
    log:
        "results/logs/plan.log",
    threads: lambda wildcards: workflow.cores
    conda:
        "../envs/pipeline.yaml"
    shell:
        "python -m pipeline plan --archive {params.archive:q} --manifest {output.manifest}"
        " --plan {output.plan} --cache {params.cache} --shards {params.shards}"
        " --options {params.options:q} --source {params.source:q} --cluster {params.cluster:q}"
        " > {log} 2>&1"


rule ingest:
    input:
        planned("results/plan/{shard}.tsv"),
    output:
        "results/ingest/{shard}.parquet",
    params:
        options=lambda wildcards: section_json(survey.ingest),  # {1} in it is no wildcard
        limits=[survey.cluster.memory_limit, survey.cluster.item_timeout],
        code=code_version("ingest", "cluster", "columns", "status", "tables"),
        archive=lambda wildcards, input: survey.archive,
        cluster=lambda wildcards, threads: cluster_json(survey, threads),
    log:
        "results/logs/ingest/{shard}.log",
    threads: lambda wildcards: survey.cluster.workers or max(1, workflow.cores // survey.shards)
    conda:
        "../envs/pipeline.yaml"
    shell:
        "python -m pipeline ingest --archive {params.archive:q} --plan {input} --output {output}"
        " --options {params.options:q} --cluster {params.cluster:q} > {log} 2>&1"
