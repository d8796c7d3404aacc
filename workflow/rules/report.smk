# The page that shows the catalogue.


rule report:
    input:
        **inputs_of(stages.REPORT),
    output:
        **outputs_of(stages.REPORT),
    params:
        **parameters_of(stages.REPORT),
    log:
        "results/logs/report.log",
    conda:
        "../envs/pipeline.yaml"
    shell:
        stages.REPORT.command(survey)
