# From power spectra to fitted models. One job has all GPUs of its node; a profile asks for them
# (`set-resources: fit: gpu: 1`).


rule fit:
    input:
        **inputs_of(stages.FIT),
    output:
        **outputs_of(stages.FIT),
    params:
        **parameters_of(stages.FIT),
        components=components_version(survey.fit),
    log:
        "results/logs/fit/{shard}.log",
    threads: lambda wildcards: fit_threads(survey, workflow.cores, workflow.non_local_exec)
    conda:
        "../envs/pipeline.yaml"
    shell:
        # XLA takes the number of its threads from NPROC and from nowhere else.
        f"NPROC={{threads}} {stages.FIT.command(survey)}"
