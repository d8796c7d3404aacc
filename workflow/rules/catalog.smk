# The merge. It is given folders, not files: the names of a thousand shards would not fit on a
# command line.


rule catalog:
    input:
        observations="results/observations.parquet",
        plan="results/plan",
        ingest=expand("results/ingest/{shard}.parquet", shard=SHARDS),
        segment=expand("results/segment/{shard}.parquet", shard=SHARDS),
        models=expand("results/fit/{shard}.models.parquet", shard=SHARDS),
        parameters=expand("results/fit/{shard}.parameters.parquet", shard=SHARDS),
        samples=expand("results/fit/{shard}.samples.parquet", shard=SHARDS),
    output:
        fits=report(
            "results/catalog/catalog.fits",
            caption="../report/catalog.rst",
            category="Catalogue",
        ),
        votable="results/catalog/catalog.vot",
        sources="results/catalog/sources.parquet",
        epochs="results/catalog/epochs.parquet",
        models="results/catalog/models.parquet",
        parameters="results/catalog/parameters.parquet",
        samples="results/catalog/samples.parquet",
        observations="results/catalog/observations.parquet",
        rejected=report(
            "results/catalog/rejected.parquet",
            caption="../report/rejected.rst",
            category="Catalogue",
        ),
        provenance=report(
            "results/catalog/provenance.json",
            caption="../report/provenance.rst",
            category="Catalogue",
        ),
    params:
        options=section_json(survey.catalog),
        survey=lambda wildcards: survey_json(survey),  # {1} in it is no wildcard
        code=code_version("catalog"),
        folders=lambda wildcards, input, output: " ".join(
            f"--{option} {os.path.dirname(path)}"
            for option, path in (
                ("ingest", input.ingest[0]),
                ("segment", input.segment[0]),
                ("fit", input.models[0]),
                ("output", output.fits),
            )
        ),
    log:
        "results/logs/catalog.log",
    conda:
        "../envs/pipeline.yaml"
    shell:
        "python -m pipeline catalog --observations {input.observations} --plan {input.plan}"
        " {params.folders} --options {params.options:q} --survey {params.survey:q}"
        " > {log} 2>&1"
