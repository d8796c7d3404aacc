"""Limits hold for all requests together."""

import threading

import pytest

from pipeline.ingest.archive import remote, retries


def test_limits_hold_for_all_threads_together(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(remote.time, "monotonic", lambda: now[0])
    limiter = remote.Limiter(10.0)
    assert [limiter.wait(5) for _ in range(3)] == pytest.approx([0.5, 1.0, 1.5])
    now[0] += 60
    assert limiter.wait(5) == pytest.approx(0.5)
    assert remote.Limiter(None).wait(1e9) == 0.0


def test_downloads_wait_as_the_limit_says(filled, pages, survey, monkeypatch):
    item = survey.listed()["plain.evt"]
    waited = []
    monkeypatch.setattr(remote.time, "monotonic", lambda: 0.0)
    monkeypatch.setattr(remote.time, "sleep", waited.append)
    survey.with_options(bytes_per_second=1e5, requests_per_second=1e3)
    survey.server().fetch(item)
    assert [s for s in waited if s] == pytest.approx([1e-3, item.size / 1e5, 2e-3])


def test_no_more_requests_at_a_time_than_allowed(filled, pages, survey, monkeypatch):
    for number in range(12):
        filled.events(f"{number}.evt", header={"OBS_ID": f"5{number:02}"})
    at_work, most, lock = [0], [0], threading.Lock()
    answer = pages.RequestHandlerClass._answer

    def counting(self, body):
        with lock:
            at_work[0] += 1
            most[0] = max(most[0], at_work[0])
        threading.Event().wait(0.005)
        try:
            answer(self, body)
        finally:
            with lock:
                at_work[0] -= 1

    monkeypatch.setattr(pages.RequestHandlerClass, "_answer", counting)
    survey.with_options(connections=3)
    survey.listed()
    survey.plan()
    survey.download()
    assert 1 < most[0] <= 3


def test_what_waits_for_the_server_is_told(filled, pages, survey, monkeypatch):
    waited = []
    monkeypatch.setattr(remote.time, "sleep", waited.append)
    monkeypatch.setattr(retries, "_LONGEST_PAUSE", 50.0)
    item = survey.listed()["plain.evt"]
    survey.with_options(pause=20.0, tries=4)
    pages.faults["plain.evt"] = [503, 503, 429]
    survey.server().read(item, 0, 10)
    assert [s for s in waited if s] == [20.0, 40.0, 50.0]
