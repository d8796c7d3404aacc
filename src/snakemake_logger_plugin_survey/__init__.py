"""What `pipeline run` shows of Snakemake: a progress bar, and the log of a job that failed.

Snakemake finds the module by its name (``--logger survey``). Its own account of every job is in
``.snakemake/log``.
"""

import logging
import os
import signal
from pathlib import Path

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

LINES_SHOWN = 40
"""Of the log of a job that failed: the end, where the error is."""


class LogHandler(LogHandlerBase):
    """A bar where standard error is a terminal, else a line a job; errors in both."""

    writes_to_stream = True
    writes_to_file = False
    has_filter = True
    has_formatter = True
    needs_rulegraph = False

    def __post_init__(self):
        # A folder's name may be no text, and then Snakemake's own log cannot hold it: that is no reason for a traceback.
        logging.raiseExceptions = False
        # Snakemake imports every plugin at every start.
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        from rich.progress import TimeElapsedColumn as Elapsed

        from pipeline import lifeline
        from pipeline.snakemake_process import SHOW, TERMINAL

        if shown := os.environ.get(SHOW):
            file, terminal = (
                os.fdopen(int(shown), "w", encoding="utf-8"),
                bool(os.environ.get(TERMINAL)),
            )
            self._console = Console(
                file=file, force_terminal=terminal, highlight=False, soft_wrap=True
            )
            lifeline.tie(os.environ, _end_group)
        else:
            self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Elapsed()
        self._bar = Progress(*columns, console=self._console, transient=True)
        self._task = self._bar.add_task("", total=None)
        self._names, self._finished = {}, ""

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record of Snakemake, if it is one that a person has to see."""
        event = getattr(record, "event", None)
        if event == LogEvent.JOB_INFO:
            self._started(record)
        elif event == LogEvent.JOB_FINISHED:
            self._finished = self._names.pop(record.job_id, "")
        elif event == LogEvent.PROGRESS:
            self._progress(record.done, record.total)
        elif event == LogEvent.JOB_ERROR:
            self._failed(record)
        elif _is_said(record, event):
            pass
        elif record.levelno >= logging.WARNING and record.msg:
            self._print(record.getMessage())

    def _started(self, record: logging.LogRecord) -> None:
        self._names[record.jobid] = " ".join((record.rule_name, *record.wildcards.values()))
        if self._console.is_terminal:
            self._bar.start()
            self._bar.update(self._task, description=record.rule_name)

    def _progress(self, done: int, total: int) -> None:
        self._bar.update(self._task, completed=done, total=total)
        if not self._console.is_terminal:
            self._print(f"{done} of {total}  {self._finished}")

    def _failed(self, record: logging.LogRecord) -> None:
        from pipeline.faults import TRY_AGAIN
        from pipeline.snakemake_process import FAILED, OF_MACHINE, OTHER

        name = self._names.get(record.jobid, record.rule_name)
        lines = [line for log in record.log for line in _lines(Path(log))]
        faults = [line for line in lines[-LINES_SHOWN:] if line.startswith(TRY_AGAIN)]
        if counted := os.environ.get(FAILED):
            os.write(int(counted), OF_MACHINE if faults else OTHER)
        if faults:
            self._print(f"{name}: {faults[-1].removeprefix(TRY_AGAIN)}")
            return
        self._print(f"{name} failed. The end of {', '.join(record.log)}:")
        for line in lines[-LINES_SHOWN:]:
            self._print(f"    {line}")

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False)

    def close(self) -> None:
        """Take the bar away."""
        self._bar.stop()
        super().close()


def _is_said(record: logging.LogRecord, event: LogEvent | None) -> bool:
    """Return whether a record says no more than that a job failed, which has been shown with its log."""
    if event == LogEvent.ERROR and record.exception == "RuleException":
        return True
    return record.getMessage().strip().startswith(_A_JOB_FAILED)


_A_JOB_FAILED = (
    "Exiting because a job execution failed",
    "WorkflowError:\nAt least one job did not complete",
)


def _lines(log: Path) -> list[str]:
    """Return the lines of the log of a job."""
    return log.read_text(errors="replace").splitlines() if log.is_file() else []


def _end_group() -> None:
    """End this process and the jobs that it has started: the run that it belongs to is gone."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
