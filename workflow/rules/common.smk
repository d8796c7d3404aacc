# What the rules share. Inputs, outputs, parameters and commands are declared in `pipeline.stages`.


def planned(path):
    """Return an input function: files of a shard, asked for only once the shards are known.

    Snakemake decides anew what has to run only for jobs that depend on a checkpoint themselves: a
    job further down that had been going to run for the sake of its input would run all the same.
    """

    def input_function(wildcards):
        checkpoints.plan.get()
        return path.format(shard=wildcards.shard)

    return input_function


def of_all_shards(path):
    """Return an input function: the files of all shards that have sources. The others have no job."""

    def input_function(wildcards):
        checkpoints.plan.get()
        return [path.format(shard=shard) for shard in shards_with_sources(survey)]

    return input_function


def inputs_of(stage):
    """Return the inputs of a stage by name, those in shards as input functions."""
    function = planned if stage.per_shard else of_all_shards
    return {
        name: function(path) if "{shard}" in path else path
        for name, path in inputs(stage, survey).items()
    }


def outputs_of(stage):
    """Return the outputs of a stage by name, with what Snakemake has to know of them."""
    found = {}
    for name, file in outputs(stage, survey).items():
        path = file.pattern(survey)
        path = directory(path) if file.is_folder else path
        if file.caption:
            caption = f"../report/{file.caption.file}"
            path = report(path, caption=caption, category=file.caption.category)
        found[name] = path
    return found


def parameters_of(stage):
    """Return the parameters of a stage by name: the version of its code, and what its command is given."""
    return parameters(stage, survey)
