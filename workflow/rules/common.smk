# What the rules share.


def planned(path):
    """Return an input function: files of a shard, asked for only once the shards are known.

    Snakemake decides anew what has to run only for jobs that depend on a checkpoint themselves: a
    job further down that had been going to run for the sake of its input would run all the same.
    """

    def input_function(wildcards):
        checkpoints.plan.get()
        return path.format(shard=wildcards.shard)

    return input_function
