# From observations to averaged power spectra.


rule segment:
    input:
        planned("results/ingest/{shard}.parquet"),
    output:
        "results/segment/{shard}.parquet",
    params:
        options=section_json(survey.segment),
        limits=[survey.cluster.memory_limit, survey.cluster.item_timeout],
        code=code_version("segment"),
        cluster=lambda wildcards, threads: cluster_json(survey, threads),
    log:
        "results/logs/segment/{shard}.log",
    threads: lambda wildcards: survey.cluster.workers or max(1, workflow.cores // survey.shards)
    conda:
        "../envs/pipeline.yaml"
    shell:
        "python -m pipeline segment --input {input} --output {output}"
        " --options {params.options:q} --cluster {params.cluster:q} > {log} 2>&1"
