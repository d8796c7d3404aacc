"""The service of one run, which `pipeline.service.beside` starts: it ends with its standard input.

``python -m pipeline.service FOLDER JOBS CLUSTERS [eager]``, with the numbers of the open sockets.
"""

import os
import shutil
import socket
import sys
from pathlib import Path

from pipeline.service.server import WITH_WORKERS, Host, Server


def main() -> int:
    """Serve until the run ends; in a process that was forked, do what it was forked for."""
    folder, lifeline = Path(sys.argv[1]), os.dup(0)
    jobs, clusters = (socket.socket(fileno=int(number)) for number in sys.argv[2:4])
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.close(nowhere)
    for listener in (jobs, clusters):
        listener.set_inheritable(False)
    forked = Server(jobs, clusters, lifeline, eager="eager" in sys.argv[4:]).serve()
    if forked is None:
        shutil.rmtree(folder, ignore_errors=True)
        return 0
    if isinstance(forked, Host):
        from pipeline.service.clusters import host

        modules = [stage.module for stage in WITH_WORKERS]
        host(forked.listener, forked.lifeline, modules, folder)
        return 0
    return forked.run()


if __name__ == "__main__":
    sys.exit(main())
