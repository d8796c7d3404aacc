"""A request is made again while there is hope, with longer pauses, and its reason tells no secret."""

import aiohttp
import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from pipeline.ingest.archive import retries
from pipeline.ingest.archive.limits import Limiter
from pipeline.ingest.archive.retries import Changed, Retries, Unreachable
from pipeline.ingest.reject import Rejected
from pipeline.status import Status


def _answer(status, **headers):
    error = ClientError(
        {"ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers}}, "GetObject"
    )
    raised = OSError("secret")
    raised.__cause__ = error
    return raised


@pytest.fixture
def persist(monkeypatch):
    """Retries of three tries that note their pauses instead of sleeping."""
    waited = []
    monkeypatch.setattr(retries.time, "sleep", lambda seconds: seconds and waited.append(seconds))
    made = Retries(lambda file: f"s3://a/{file}", 3, 10.0, Limiter(None))
    return made, waited


def _failing(*errors):
    """A request that fails with each of the errors in turn, and then returns."""
    left = list(errors)

    def request():
        if left:
            raise left.pop(0)
        return "content"

    return request


def test_a_server_that_is_busy_is_asked_again_with_longer_pauses(persist):
    ask, waited = persist
    assert ask("x", _failing(_answer(503), _answer(429))) == "content"
    assert waited == [10.0, 20.0]


def test_the_pause_that_the_server_asks_for_is_kept_up_to_a_limit(persist):
    ask, waited = persist
    ask(
        "x",
        _failing(_answer(503, **{"Retry-After": "50"}), _answer(503, **{"Retry-After": "9999"})),
    )
    assert waited == [50.0, 120.0]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (_answer(403), "the server answers 403: see to its address"),
        (FileNotFoundError("secret"), "is not there: see to its address"),
        (PermissionError("secret"), "must not be read"),
        (NoCredentialsError(), "no credentials in the environment"),
        (Changed(), "it has changed since the archive was listed"),
    ],
)
def test_a_refusal_for_good_is_not_tried_again(persist, error, words):
    ask, waited = persist
    with pytest.raises(Rejected, match=f"s3://a/x: {words}") as refused:
        ask("x", _failing(error))
    assert not isinstance(refused.value, Unreachable)
    assert waited == []


@pytest.mark.parametrize("error", [_answer(500), aiohttp.ClientPayloadError("secret"), OSError()])
def test_a_server_that_stays_silent_may_answer_the_next_run(persist, error):
    ask, _ = persist
    with pytest.raises(Unreachable, match="3 times: run again later") as refused:
        ask("x", _failing(error, error, error))
    assert refused.value.status == Status.NOT_DOWNLOADED
    assert "secret" not in str(refused.value)
