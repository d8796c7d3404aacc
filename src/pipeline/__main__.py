"""``python -m pipeline COMMAND``: what every rule of the workflow calls, and the survey itself."""

import sys


def main() -> int:
    """Run the command of the command line and return its exit code."""
    from pipeline import commands

    return commands.main()


if __name__ == "__main__":
    sys.exit(main())
