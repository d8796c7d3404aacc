# From observations to averaged power spectra.


rule segment:
    input:
        **inputs_of(stages.SEGMENT),
    output:
        **outputs_of(stages.SEGMENT),
    params:
        **parameters_of(stages.SEGMENT),
    log:
        "results/logs/segment/{shard}.log",
    threads: lambda wildcards: shard_threads(survey, workflow.cores)
    conda:
        "../envs/pipeline.yaml"
    shell:
        stages.SEGMENT.command(survey)
