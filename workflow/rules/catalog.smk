# The merge. It is given folders, not files: the names of a thousand shards would not fit on a
# command line.


rule catalog:
    input:
        **inputs_of(stages.CATALOG),
    output:
        **outputs_of(stages.CATALOG),
    params:
        **parameters_of(stages.CATALOG),
    log:
        "results/logs/catalog.log",
    conda:
        "../envs/pipeline.yaml"
    shell:
        stages.CATALOG.command(survey)
