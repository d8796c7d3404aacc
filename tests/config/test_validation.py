"""What is wrong with a section is said in one line, with the keys that are allowed in its place."""

import pytest
from pydantic import Field

from pipeline.config.base import ConfigError, Options, with_keys
from pipeline.config.survey import validate
from pipeline.config.validation import validate_section


class Leaf(Options):
    """A section in others."""

    size: int = Field(1, description="Size.")


class _Tree(Options):
    """A section with others in it."""

    leaf: Leaf = Field(default_factory=Leaf, description="One.")
    maybe: Leaf | None = Field(None, description="One or none.")
    named: dict[str, list[Leaf]] = Field(default_factory=dict, description="Several, by name.")


Tree = with_keys(_Tree, {"more": (Leaf, Field(default_factory=Leaf))})


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"leaf": {"sise": 2}}, "leaf.sise"),
        ({"maybe": {"sise": 2}}, "maybe.sise"),
        ({"more": {"sise": 2}}, "more.sise"),
        ({"named": {"a": [{}, {"sise": 2}]}}, "named.a.1.sise"),
    ],
)
def test_a_misspelt_key_is_told_from_those_of_its_place(values, key):
    with pytest.raises(ConfigError) as error:
        validate_section(values, Tree)
    assert str(error.value) == f"{key}: unknown key; did you mean 'size'? Allowed: size"


def test_keys_that_join_a_section_are_its_own():
    assert Tree.__name__ == "Tree"
    assert Tree.__doc__ == _Tree.__doc__
    assert list(Tree.model_fields) == [*_Tree.model_fields, "more"]
    assert issubclass(Tree, _Tree)
    assert validate_section({"more": {"size": 3}}, Tree).more.size == 3


@pytest.mark.parametrize("odd", ["\0", "a\ud800", "\udfff"])
def test_what_is_no_text_is_refused_by_its_key(odd):
    for values, key in (
        ({"archive": "a\0"}, "archive"),
        ({"archive": "s3://a/\udcff"}, "archive"),
        ({"archive": ".", "report": {"title": odd}}, "report.title"),
        ({"archive": ".", "fit": {"models": {odd: ["constant"]}}}, "fit.models"),
        ({"archive": ".", "segment": {"products": [odd]}}, "segment.products"),
    ):
        with pytest.raises(ConfigError, match=f"^{key}.*: has the character .* which is no text"):
            validate(values)


def test_a_path_may_have_bytes_that_are_no_text():
    assert validate({"archive": "/\udcff"}).archive == "/\udcff"
