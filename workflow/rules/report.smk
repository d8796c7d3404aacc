# The page that shows the catalogue.


rule report:
    input:
        **inputs_of(stages.REPORT),
    output:
        **outputs_of(stages.REPORT),
    params:
        **parameters_of(stages.REPORT),
        truth_state=lambda wildcards: state_of(survey.report.truth),
    log:
        "results/logs/report.log",
    conda:
        "../envs/pipeline.yaml"
    shell:
        stages.REPORT.command(survey)
