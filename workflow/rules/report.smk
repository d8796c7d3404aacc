# The page that shows the catalogue.


rule report:
    input:
        sources="results/catalog/sources.parquet",
        models="results/catalog/models.parquet",
        parameters="results/catalog/parameters.parquet",
        samples="results/catalog/samples.parquet",
        observations="results/catalog/observations.parquet",
        rejected="results/catalog/rejected.parquet",
        plan="results/plan",
        curves=expand("results/fit/{shard}.curves.parquet", shard=SHARDS),
        truth=survey.report.truth or [],
    output:
        report(
            "results/report/index.html",
            caption="../report/report.rst",
            category="Report",
        ),
    params:
        options=section_json(survey.report),
        code=code_version("report"),
        folders=lambda wildcards, input: " ".join(
            f"--{option} {os.path.dirname(path)}"
            for option, path in (("catalog", input.sources), ("fit", input.curves[0]))
        ),
        truth=lambda wildcards, input: ["--truth", input.truth] if input.truth else [],
    log:
        "results/logs/report.log",
    conda:
        "../envs/pipeline.yaml"
    shell:
        "python -m pipeline report {params.folders} --plan {input.plan} --output {output}"
        " --options {params.options:q} {params.truth:q} > {log} 2>&1"
