"""An archive is a folder or a server, and no secret of it is written down."""

import pytest

from pipeline.config.base import ConfigError
from pipeline.config.survey import validate
from pipeline.workflow import (
    check_paths,
    resolve,
)


@pytest.mark.parametrize("url", ["https://host/data", "s3://bucket/some/prefix"])
def test_a_server_is_an_archive_and_keeps_its_address(url):
    survey = validate({"archive": f"{url}/"})
    check_paths(survey)
    assert resolve(survey).archive == url


def test_no_secret_is_repeated_in_the_message_that_refuses_it():
    with pytest.raises(ConfigError) as error:
        validate({"archive": "https://me:secret@host/data?token=secret"})
    assert "secret" not in str(error.value)
