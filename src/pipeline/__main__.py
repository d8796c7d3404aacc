"""``python -m pipeline COMMAND``: what every rule of the workflow calls, and the survey itself."""

import os
import sys


def main() -> int:
    """Run the command of the command line, in the service of the run where there is one, and return its exit code."""
    from pipeline.service.client import run_there

    code = run_there(sys.argv[1:])
    if code is not None:
        return code
    from pipeline import commands, lifeline

    lifeline.tie(os.environ)
    return commands.main()


if __name__ == "__main__":
    sys.exit(main())
