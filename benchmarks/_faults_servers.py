"""Archives on servers that send too much, too slowly, something else, or the client elsewhere."""

import functools
import gzip
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pyarrow.parquet as pq
from _fault import Fault
from _survival import light_curve

MOST = 2 << 30
"""Bytes after which an endless answer ends, and has been believed for too long."""
SECONDS = 120.0
"""Seconds after which it ends."""
LONG = "n" * 300 + ".fits"


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder, and answers that are hostile under ``/hostile/NAME``."""

    protocol_version = "HTTP/1.1"
    kinds: tuple = ()
    other = ""
    sent: ClassVar[Counter] = Counter()

    def log_message(self, *_):
        """Say nothing."""

    def do_HEAD(self):
        """Answer as to GET, without a body."""
        self._answer(head=True)

    def do_GET(self):
        """Answer."""
        self._answer(head=False)

    def _answer(self, head):
        kind = self.path.removeprefix("/hostile/").partition("/")[0]
        if self.path == "/hostile/":
            links = "".join(f'<a href="{name}">{name}</a>\n' for name in self.kinds)
            self._page(links.encode(), head)
        elif self.path.startswith("/hostile/") and kind:
            name = kind.removesuffix(".fits").replace("-", "_")
            getattr(self, f"_{name}", self._plain)(head)
        elif head:
            super().do_HEAD()
        else:
            super().do_GET()

    def _page(self, body, head, kind="text/html"):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if not head:
            self.wfile.write(body)

    def _endless(self, head, block=bytes(1 << 16), kind="application/fits", pause=0.0):
        """Send blocks until the client goes."""
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        until, name = time.monotonic() + SECONDS, self.path.rpartition("/")[2] or "page"
        while not head and time.monotonic() < until and self.sent[name] < MOST:
            self.wfile.write(block)
            self.sent[name] += len(block)
            time.sleep(pause)

    def _endless_page(self, head):
        self._endless(head, b'<a href="x.fits">x</a>\n' * 1000, "text/html")

    def _endless_links(self, head):
        """Send a page with a hundred thousand links to folders that have as many."""
        self._page("".join(f'<a href="{k}/">{k}</a>\n' for k in range(100000)).encode(), head)

    def _slow(self, head):
        """Send a byte a second of a file of a megabyte."""
        self.send_response(200)
        self.send_header("Content-Length", str(1 << 20))
        self.end_headers()
        until = time.monotonic() + SECONDS
        while not head and time.monotonic() < until:
            self.wfile.write(b"S")
            self.wfile.flush()
            self.sent["slow"] += 1
            time.sleep(1.0)

    def _short(self, head):
        """Announce more than is sent."""
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        self.close_connection = True
        if not head:
            self.wfile.write(bytes(1000))

    def _bomb(self, head):
        """Send a gigabyte of zeros as a megabyte."""
        body = gzip.compress(bytes(1 << 30), 9)
        self.send_response(200)
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if not head:
            self.wfile.write(body)

    def _elsewhere(self, head, target=""):
        self.send_response(302)
        self.send_header("Location", target or f"{self.other}/secret.fits")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _metadata(self, head):
        self._elsewhere(head, "http://169.254.169.254/latest/meta-data/")

    def _round(self, head):
        self._elsewhere(head, "/hostile/round.fits")

    def _local(self, head):
        self._elsewhere(head, "file:///etc/passwd")

    def _plain(self, head):
        self._page(light_curve("PLAIN", 400, 1024), head, "application/fits")


@dataclass
class HostileServer(Fault):
    """A server with sound files, and some hostile answers.

    Attributes
    ----------
    kinds : tuple of str
        What its hostile folder links to.
    """

    kinds: tuple = ()
    family = "hostile servers"
    expected = "given up with a row and a reason; bounded; not followed elsewhere; nothing lost"
    codes: tuple = (0,)
    adds = True
    told: list = field(default_factory=list)

    def inject(self, place):
        """Serve, and run."""
        self.asked = Counter()
        other = self._serve(Elsewhere, asked=self.asked)
        handler = type("Hostile", (Handler,), {"kinds": self.kinds, "other": other, "sent": Counter()})  # fmt: skip
        self.sent = handler.sent
        (place.archive / "hostile").mkdir()
        url = self._serve(functools.partial(handler, directory=str(place.archive)))
        place.changes = {
            "archive": url,
            "remote": {"tries": 2, "pause": 0.05, "timeout": 5.0},
        }
        return place.run()

    def _serve(self, handler, **values):
        if values:
            handler = type("Other", (handler,), values)
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.servers = [*getattr(self, "servers", []), server]
        return f"http://127.0.0.1:{server.server_port}"

    def close(self, place):
        """End the servers."""
        for server in self.servers:
            server.shutdown()
            server.server_close()

    def more(self, place, seen):
        """Say what was sent, and what the catalogue says of it."""
        for name, size in self.sent.items():
            seen.notes.append(f"{name}: {size / 1e6:.1f} MB sent")
            if size >= MOST:
                seen.problems.append(f"{name}: taken without end")
        if self.asked:
            seen.problems.append(f"another server was asked {self.asked.total()} times")
        path = place.results / "catalog" / "rejected.parquet"
        rows = pq.read_table(path, columns=["file", "status", "reason"]).to_pylist()
        rows = [row for row in rows if row["file"].startswith("hostile")]
        seen.notes += [f"{row['file'][8:28]}: {row['status']}" for row in rows]


class Elsewhere(SimpleHTTPRequestHandler):
    """Another server, which counts who asks it."""

    asked: ClassVar[Counter] = Counter()

    def log_message(self, *_):
        """Say nothing."""

    def do_GET(self):
        """Count, and give a sound file."""
        self.asked[self.path] += 1
        body = light_curve("SECRET", 401, 1024)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_HEAD = do_GET


def faults():
    """Return them all."""
    return [
        HostileServer("server-elsewhere", kinds=("elsewhere.fits", "metadata.fits", "round.fits", "local.fits")),
        HostileServer("server-files", kinds=("short.fits", "bomb.fits", LONG, "part", "good.fits")),
        HostileServer("server-endless-file", kinds=("endless.fits",)),
        HostileServer("server-endless-page", kinds=("endless-page/",)),
        HostileServer("server-endless-links", kinds=("endless-links/",)),
        HostileServer("server-slow", kinds=("slow.fits",)),
    ]  # fmt: skip
