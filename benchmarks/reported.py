"""Files that users of timing software reported trouble with: how many expectations the catalogue of a survey meets.

The folder ../shared/data/reported (or the first argument) has a script that makes the files anew, the configuration of
their survey, what its catalogue must say, and a script that compares.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from _common import ROOT, report, survey


def main():
    """Print a line for the survey, with the expectations that are not met."""
    given = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "shared/data/reported"
    if not given.is_dir():
        sys.exit(f"reported: {given} is not a folder; give the folder of the files as an argument")
    with tempfile.TemporaryDirectory() as directory:
        archive, results = Path(directory) / "archive", Path(directory) / "survey"
        subprocess.run([sys.executable, given / "make.py", archive], check=True)
        seconds = survey(given / "config.yaml", archive, results)
        catalogue = results / "results" / "catalog" / "catalog.fits"
        compared = subprocess.run(
            [sys.executable, given / "check.py", catalogue, given / "expected.tsv"],
            capture_output=True,
            text=True,
        )
    lines = compared.stdout.splitlines()
    wrong = [line for line in lines if line.startswith("WRONG")]
    total = len([line for line in lines if line.startswith(("ok", "WRONG"))])
    report(
        "reported",
        "files as users reported them, archive to catalogue",
        "expectations met",
        total - len(wrong),
        of=total,
        seconds=seconds,
        wrong=wrong,
    )
    sys.exit(compared.returncode)


if __name__ == "__main__":
    main()
