"""Protobuf text is read without message types, and anything else is refused with its place."""

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hinet_search.common.errors import ConfigurationError
from hinet_search.data.peers.text_format import parsed_text_format
from hinet_search.study.yaml_file import read
from tests.data.peers.peer_files import as_text_format


def parsed(text: str) -> Any:
    value, _ = parsed_text_format(text, lambda mark: f"p:{mark[0]}:{mark[1]}" if mark else "p")
    return value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", {}),
        ("a: 1 # not b: 2\nc: -2", {"a": 1, "c": -2}),
        ("a { b { c: true } }", {"a": {"b": {"c": True}}}),
        ("a: < b: 1 >, c: FG_DAG;", {"a": {"b": 1}, "c": "FG_DAG"}),
        ("a: 1 b: 2 a: 3", {"a": [1, 3], "b": 2}),
        ("a: [1]\na: 2", {"a": [1, 2]}),
        ("a: []", {"a": []}),
        ("a [{b: 1}, {}]", {"a": [{"b": 1}, {}]}),
        ("a: 'one' \"two\"\n'three'", {"a": "onetwothree"}),
        (r"a: '\x41\101\n\'\u4f60\xe4\xbd\xa0'", {"a": "AA\n'你你"}),
        (
            "a: 0x1F b: 010 c: 1.5e-3f d: .5 e: 2.",
            {"a": 31, "b": 8, "c": 0.0015, "d": 0.5, "e": 2.0},
        ),
        ('a: -inf b: "}"', {"a": "-inf", "b": "}"}),
        ("a: - 5 b: -\n0x10 c: - .5", {"a": -5, "b": -16, "c": -0.5}),
    ],
)
def test_a_text_is_read_as_its_fields(text: str, value: Any) -> None:
    assert parsed(text) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a {\n  b: 1\n", "p:3:1: a field's name must follow, got the end of the file"),
        ("a: 1\n  }", "p:2:3: a field's name must follow, got '}'"),
        ("a 1", "p:1:3: ':' or '{' must follow, got '1'"),
        ("a: ", "p:1:3: a value must follow, got the end of the file"),
        ("a: --5", "p:1:5: a value after '-' must follow, got '-5'"),
        ("a: [1 2]", "p:1:7: a comma or ']' must follow, got '2'"),
        ("[pkg.ext]: 1", "p:1:1: a field's name must follow, got '['"),
        ("a: 'open\n'", "p:1:4: must be protobuf text"),
        ("a: 12abc", "p:1:4: must be protobuf text"),
        ("a: @", "p:1:4: must be protobuf text (names, numbers, texts in quotes, { }), got '@'"),
        (r"a: '\xff'", "p:1:4: a text must be in UTF-8"),
        (r"a: '\ud800'", "p:1:4: a text must be in UTF-8"),
        ("a: 18446744073709551616", "p:1:4: whole numbers must fit into 64 bits"),
        ("a: 08", "p:1:4: a number that begins with 0 is octal, with digits of 0 to 7, got 08"),
        ("a: 1e999", "p:1:4: numbers must be finite, got 1e999"),
        ("a {" * 60 + "}" * 60, "at most 50 deep"),
        ("a: 1 " * 100_001, "must hold at most 100,000 values"),
    ],
)
def test_what_is_no_protobuf_text_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parsed(text)
    assert message in str(caught.value)


@given(st.text(alphabet="a1.-+'\"\\x{}<>[]:;,# \n\ud7ffé", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        value = parsed(text)
    except ConfigurationError:
        return
    assert isinstance(value, dict)


SCALARS = st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.floats(-1e9, 1e9)
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True)
MESSAGES = st.recursive(
    st.dictionaries(NAMES, SCALARS, max_size=3),
    lambda inner: st.dictionaries(NAMES, inner | SCALARS | st.lists(inner, max_size=3), max_size=3),
    max_leaves=8,
)


@given(MESSAGES)
def test_what_is_written_as_text_is_read_back(message: dict[str, Any]) -> None:
    fields = " ".join(f"{name}: {as_text_format(of)}" for name, of in message.items())
    assert equal(parsed(fields), message)


def equal(got: Any, wanted: Any) -> bool:
    """Compare trees; a float that is whole may be read from `1e+16`."""
    if isinstance(wanted, dict):
        return got.keys() == wanted.keys() and all(equal(got[key], wanted[key]) for key in wanted)
    if isinstance(wanted, list):
        return len(got) == len(wanted) and all(map(equal, got, wanted))
    return type(got) is type(wanted) and (got == wanted or math.isclose(got, wanted))


def test_a_field_knows_its_place_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.config"
    path.write_text("a {\n  b: 1\n  b: 2\n}\n")
    file = read(path, parsed_text_format)
    assert file.place(("a", "b", 1)) == f"{path}:3:3"
