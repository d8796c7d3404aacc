"""A survey of an archive on a server: what is downloaded, when, and what a server that fails costs."""

import functools
import threading
from collections import Counter
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pipeline.columns.catalogue import REJECTED
from pipeline.shards import shard_name, shard_of
from pipeline.status import Status
from pipeline.tables import read_parquet, rows_of

from .conftest import Workplace, light_curve

STAGES = ("download", "ingest", "segment", "fit")
NAMES = ("NOISE A", "RED A")


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder, without the files that it is told not to give."""

    refused: set[str] = set()  # noqa: RUF012

    def log_message(self, *_):
        pass

    def do_GET(self):
        if self.path in self.refused:
            self.send_error(503)
        else:
            super().do_GET()


@pytest.fixture
def server(tmp_path):
    (tmp_path / "archive").mkdir()
    handler = functools.partial(Handler, directory=str(tmp_path / "archive"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.slow
def test_a_survey_of_a_server_downloads_what_changed_and_tries_again_what_failed(
    server, tmp_path, monkeypatch
):
    place = Workplace(tmp_path)
    for seed, name in enumerate(NAMES):
        light_curve(name, seed).writeto(place.archive / f"{name.replace(' ', '')}.lc")
    options = {"archive": server, "remote": {"tries": 2, "pause": 0.01}}

    def rejected():
        return rows_of(read_parquet(place.results / "catalog" / "rejected.parquet", REJECTED))

    first = place.run(**options)
    assert first.code == 0, first.output
    assert Counter(job.split()[0] for job in first.jobs) == dict.fromkeys(STAGES, 2) | {
        "plan": 1,
        "catalog": 1,
        "report": 1,
    }
    assert rejected() == []
    assert place.run(**options).jobs == []

    light_curve("RED A", 7).writeto(place.archive / "REDA.lc", overwrite=True)
    changed = place.run(**options)
    shard = shard_name(shard_of("REDA", 2))
    alone = sorted(["plan", "catalog", "report", *(f"{stage} {shard}" for stage in STAGES)])
    assert changed.jobs == alone

    light_curve("RED A", 8).writeto(place.archive / "REDA.lc", overwrite=True)
    monkeypatch.setattr(Handler, "refused", {"/REDA.lc"})
    failed = place.run(**options)
    assert failed.code == 0, failed.output
    (row,) = rejected()
    assert row["status"] == Status.NOT_DOWNLOADED
    assert f"{server}/REDA.lc: the server answers 503, 2 times" in row["reason"]

    monkeypatch.setattr(Handler, "refused", set())
    again = place.run(**options)
    assert again.code == 0, again.output
    assert rejected() == []
