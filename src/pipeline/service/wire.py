"""How a job and the service talk: messages of JSON over a socket in a private folder. Light, because each job imports it."""

import json
import os
import socket
import struct
from collections.abc import Mapping, Sequence
from typing import Any

VARIABLE = "PIPELINE_SERVICE"
"""Environment variable with the folder of the sockets; a job looks there for the service of its run."""
JOBS = "jobs"
"""Socket of the process that forks jobs."""
CLUSTERS = "clusters"
"""Socket of the process that lends workers."""
CERTIFICATE = "certificate.pem"
"""File in the same folder: the certificate of all processes of the run that speak over TCP, and of its authority."""
KEY = "key.pem"
"""File with its key."""

DESCRIPTORS = 4
"""What a job hands over: standard input, output, error, and the end of a pipe that is open as long as the job runs."""

MALLOC = {"MALLOC_TRIM_THRESHOLD_": str(2**28), "MALLOC_MMAP_THRESHOLD_": str(2**25)}
"""What glibc's allocator is told: to keep memory from one array to the next, which Dask and its own thresholds hand back
and fault in again. It takes no higher threshold for maps."""

ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",  # a process that forks has one thread
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    **MALLOC,
}
"""Environment in which the service is started: what libraries read once, when they are loaded."""

_READ_AT_IMPORT = ("DASK_", "JAX_", "LD_", "PYTHON", "TMPDIR", "XLA_")

LENGTH = struct.Struct("!I")
"""How the length of a message is written before it."""


LONGEST = 1 << 26
"""Bytes of a message."""


def is_own(connection: socket.socket) -> bool:
    """Return whether the other side of a connection is a process of the same user."""
    about = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return struct.unpack("3i", about)[1] == os.geteuid()


def read_at_import(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that libraries read when they are imported: those of a job are those of the service."""
    return {name: text for name, text in environment.items() if name.startswith(_READ_AT_IMPORT)}


def send(
    connection: socket.socket, message: Mapping[str, Any], descriptors: Sequence[int] = ()
) -> None:
    """Send a message, and open files with it."""
    body = json.dumps(message).encode()
    socket.send_fds(connection, [LENGTH.pack(len(body))], list(descriptors))
    connection.sendall(body)


def receive(connection: socket.socket, descriptors: int = 0) -> tuple[dict[str, Any], list[int]]:
    """Return the next message, and the open files that came with it.

    Parameters
    ----------
    connection : socket
        The connection.
    descriptors : int, optional
        Number of open files that may come.

    Raises
    ------
    ConnectionError
        When the other side has gone, or says what is no message. Files that came are closed.
    """
    head, files, _, _ = socket.recv_fds(
        connection, LENGTH.size, descriptors, socket.MSG_CMSG_CLOEXEC
    )
    try:
        (length,) = LENGTH.unpack(head)
        if length > LONGEST:
            raise ValueError("no message")
        return json.loads(_exactly(connection, length)), files
    except (struct.error, ValueError, OSError) as error:
        for file in files:
            os.close(file)
        raise ConnectionError("the connection was lost") from error


def _exactly(connection: socket.socket, length: int) -> bytes:
    """Return a number of bytes."""
    found = bytearray()
    while len(found) < length:
        more = connection.recv(length - len(found))
        if not more:
            raise ConnectionError("the connection was lost")
        found += more
    return bytes(found)
