"""Jobs on Slurm of a run that was killed: they would go on beside those of the next run, and write the same tables."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

from pipeline.faults import MachineFault

LOGS = Path(".snakemake", "slurm_logs")
"""Where the jobs that Snakemake submits write, in the folder of a survey: by this they are known."""
_QUERY = ("squeue", "--me", "--noheader", "--Format=JobArrayID:100,STDOUT:4096")
PATIENCE = 120.0
"""Seconds that Slurm may take to end cancelled jobs: it gives them half a minute to end by themselves."""


def cancel(directory: Path) -> None:
    """Cancel the jobs that an earlier run of a survey has left on Slurm, where there is one, and wait for their end.

    Parameters
    ----------
    directory : Path
        Folder of the survey. No run may be going on in it.

    Raises
    ------
    MachineFault
        When a job does not end.
    """
    if not (shutil.which("squeue") and shutil.which("scancel")):
        return
    left = _left(directory)
    if not left:
        return
    print(
        f"survey: cancelling {len(left)} Slurm job(s) of a run that was killed: {', '.join(left)}",
        file=sys.stderr,
    )
    subprocess.run(["scancel", *left], check=False, stderr=subprocess.DEVNULL)
    end = time.monotonic() + PATIENCE
    while left := _left(directory):
        if time.monotonic() > end:
            raise MachineFault(
                f"Slurm jobs of an earlier run of {str(directory)!r} do not end: {', '.join(left)}; "
                "end them with scancel, then resume"
            )
        time.sleep(1)


def _left(directory: Path) -> list[str]:
    """Return the ids of the jobs that wait or run; none where Slurm does not answer, which Snakemake will say."""
    done = subprocess.run(_QUERY, capture_output=True, text=True, errors="replace", check=False)
    logs = directory.resolve() / LOGS
    rows = (line.split(maxsplit=1) for line in done.stdout.splitlines())
    return [row[0] for row in rows if len(row) == 2 and Path(row[1].rstrip()).is_relative_to(logs)]
