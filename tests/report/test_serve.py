"""The report is served on the loopback address, below a path that has to be known, and nothing else is."""

import threading
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from pipeline.commands import EXIT_CONFIG, main
from pipeline.report.serve import Server


@pytest.fixture
def server(tmp_path):
    for name, text in (
        ("report/index.html", "<p>page"),
        ("report/data/rows-0.js", "arrived()"),
        ("catalog/provenance.json", "{}"),
        ("survey.yaml", "archive: /secret"),
    ):
        path = tmp_path / "results" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    with Server(tmp_path / "results", 0) as one:
        thread = threading.Thread(target=one.serve_forever)
        thread.start()
        yield one
        one.shutdown()
        thread.join()


def answer(server, path, **headers):
    connection = HTTPConnection("127.0.0.1", server.server_port)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    return response.status, response.read().decode()


def test_page_data_and_catalogue_are_served(server):
    page = urlsplit(server.address)
    assert page.hostname == "127.0.0.1"
    assert answer(server, page.path) == (200, "<p>page")
    assert answer(server, f"/{server.secret}/report/data/rows-0.js") == (200, "arrived()")
    assert answer(server, f"/{server.secret}/catalog/provenance.json?x=1") == (200, "{}")


@pytest.mark.parametrize(
    "path",
    [
        "/report/index.html",
        "/",
        "/{}/survey.yaml",
        "/{}/report/../survey.yaml",
        "/{}/report/%2e%2e/survey.yaml",
        "/{}/report/data/../../survey.yaml",
        "/{}/report/data/",
        "/{}/",
        "/{}/report/nothing",
        "/{}",
    ],
)
def test_nothing_else_is_served(server, path):
    status, text = answer(server, path.format(server.secret))
    assert status == 404
    assert "secret" not in text


def test_a_page_of_another_name_cannot_ask_for_it(server):
    page = urlsplit(server.address).path
    assert answer(server, page, Host="example.org")[0] == 404
    assert answer(server, page, Host="localhost:1")[0] == 200


def test_a_folder_without_a_report_and_a_port_that_is_taken_are_named(server, tmp_path, capsys):
    assert main(["serve", "--directory", str(tmp_path / "nothing")]) == EXIT_CONFIG
    assert "no report in" in capsys.readouterr().err
    taken = ["serve", "--directory", str(tmp_path), "--port", str(server.server_port)]
    assert main(taken) == EXIT_CONFIG
    assert str(server.server_port) in capsys.readouterr().err
