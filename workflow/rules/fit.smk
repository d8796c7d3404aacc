# From power spectra to fitted models. One job has all GPUs of its node; a profile asks for them
# (`set-resources: fit: gpu: 1`).


rule fit:
    input:
        planned("results/segment/{shard}.parquet"),
    output:
        models="results/fit/{shard}.models.parquet",
        parameters="results/fit/{shard}.parameters.parquet",
        curves="results/fit/{shard}.curves.parquet",
        samples="results/fit/{shard}.samples.parquet",
    params:
        options=section_json(survey.fit),
        code=code_version("fit"),
        components=components_version(survey.fit),
    log:
        "results/logs/fit/{shard}.log",
    threads: lambda wildcards: fit_threads(survey, workflow.cores, workflow.non_local_exec)
    conda:
        "../envs/pipeline.yaml"
    shell:
        # XLA takes the number of its threads from NPROC and from nowhere else.
        "NPROC={threads} python -m pipeline fit --input {input} --models {output.models}"
        " --parameters {output.parameters} --curves {output.curves} --samples {output.samples}"
        " --options {params.options:q} > {log} 2>&1"
