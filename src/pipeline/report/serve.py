"""``pipeline serve``: the report and the catalogue of a survey, for a browser on this machine."""

import secrets
import sys
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from pipeline.config.base import ConfigError
from pipeline.declared import RESULTS

_ADDRESS = "127.0.0.1"
_FOLDERS = ("report", "catalog")
_PAGE = "report/index.html"


class _Handler(SimpleHTTPRequestHandler):
    """Answers requests for files of the two folders below a path that nobody can guess."""

    server: "Server"

    def send_head(self) -> Any:
        """Send the header of a file, and return the file; other paths do not exist."""
        name = self.headers.get("Host", "").partition(":")[0]
        _, secret, inside = (*self.path.split("/", 2), "", "")[:3]
        self.path = f"/{inside}"
        file = Path(self.translate_path(self.path))  # without "..", see SimpleHTTPRequestHandler
        is_inside = any(file.is_relative_to(Path(self.directory) / one) for one in _FOLDERS)
        is_known = secrets.compare_digest(secret.encode(), self.server.secret.encode())
        if not (is_known and is_inside and name in (_ADDRESS, "localhost")):
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        return super().send_head()

    def list_directory(self, path: Any) -> None:
        """Show no listing of a folder."""
        self.send_error(HTTPStatus.NOT_FOUND)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of single requests."""


class Server(ThreadingHTTPServer):
    """Serves the report and the catalogue of a survey on the loopback address.

    Parameters
    ----------
    results : Path
        Folder with the folders ``report`` and ``catalog``.
    port : int
        0: a free one.

    Attributes
    ----------
    secret : str
        First part of all paths, so that other users of the machine cannot read the survey.
    address : str
        Address of the page.
    """

    daemon_threads = True

    def __init__(self, results: Path, port: int) -> None:
        self.secret = secrets.token_urlsafe(16)
        self._results = results
        super().__init__((_ADDRESS, port), _Handler)
        self.address = f"http://{_ADDRESS}:{self.server_port}/{self.secret}/{_PAGE}"

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Answer a request with a file of the folder."""
        _Handler(request, client_address, self, directory=str(self._results.resolve()))


def run(*, directory: Path, port: int) -> int:
    """Serve the report in the folder of a survey until it is interrupted.

    Parameters
    ----------
    directory : Path
        Folder of the survey.
    port : int
        0: a free one.

    Raises
    ------
    ConfigError
        When there is no report, or the port is taken.
    """
    results = directory / RESULTS
    if not (results / _PAGE).is_file():
        raise ConfigError(f"directory: no report in {str(directory)!r}; `pipeline run` makes one")
    try:
        server = Server(results, port)
    except (OSError, OverflowError) as error:
        raise ConfigError(f"port: {port} cannot be used ({error}); 0 takes a free one") from error
    with server:
        print(f"{server.address}\nCtrl-C ends it.", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print(file=sys.stderr)
    return 0
