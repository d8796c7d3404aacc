"""Snakemake's command line, without its limit of jobs a second: ``python -m pipeline.snakemake_main``.

With the limit, Snakemake's scheduler looks at all jobs that are ready once a second, and once a second more for each
job that has ended: in a survey of hundreds of shards it takes a core for itself. Jobs that take a second at least
need no limit.
"""

import sys
from collections.abc import Sequence

from snakemake import cli
from snakemake.exceptions import print_exception


def main(argv: Sequence[str] | None = None) -> int:
    """Run Snakemake and return its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        Its options; default: those of this process.
    """
    try:
        parser, arguments = cli.parse_args(argv)
        arguments.max_jobs_per_timespan = None
        return 0 if cli.args_to_api(arguments, parser) else 1
    except Exception as error:
        print_exception(error)
        return 1


if __name__ == "__main__":
    sys.exit(main())
