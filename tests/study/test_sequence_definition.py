"""Sequences: what a definition accepts, and the errors for the rest."""

from typing import Any

import pytest
from pydantic import ValidationError

from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.event_definition import TimeSpan

SEEN: dict[str, Any] = {
    "of": "user",
    "items": ["video", "author"],
    "labels": ["click"],
    "labels_after": "1h",
}
FEATURES: dict[str, Any] = {"categorical": ["user", "video", "author"], "numeric": ["price"]}
KEYS: dict[str, Any] = {
    "source": {"kind": "table"},
    "scenario": {"column": "tab"},
    "tasks": {"click": {"column": "is_click"}, "watch": {"column": "seconds", "kind": "amount"}},
    "split": {"by": "random"},
    "time": "shown_at",
}


def data(sequences: dict[str, Any], features: dict[str, Any] = FEATURES, **keys: Any) -> Any:
    return DataDefinition.model_validate(
        KEYS | keys | {"features": features | {"sequences": sequences}}
    )


def of_seen(**changes: Any) -> dict[str, Any]:
    """A sequence with some keys replaced, and without those that are None."""
    keys = SEEN | changes
    return {"seen": {name: value for name, value in keys.items() if value is not None}}


def test_a_sequence_is_fifty_rows_read_by_attention_unless_said_otherwise() -> None:
    sequence = data(of_seen()).features.sequences["seen"]
    assert (sequence.length, sequence.reader, sequence.key) == (50, "din", ("user",))
    assert sequence.labels_after == TimeSpan(1, "h")
    assert sequence.part_names("seen") == ("seen video", "seen author", "seen click", "seen gap")


def test_a_key_may_be_several_columns_and_labels_are_not_needed() -> None:
    sequence = data(of_seen(of=["user", "tab"], labels=None, labels_after=None))
    assert sequence.features.sequences["seen"].columns == ("user", "tab", "video", "author")
    assert {"user", "tab"} <= sequence.features.seen_columns


def test_sequences_are_a_group_that_a_model_can_do_without() -> None:
    features = data(of_seen()).features
    assert features.group_names == ("sequences",)
    assert features.optional_groups == ("sequences",)


def test_a_definition_without_sequences_is_written_as_before() -> None:
    assert "sequences" not in data({}).model_dump()["features"]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"items": ["vidoe"]},
            "item 'vidoe' must be one of the categorical features, got user, video, author; did",
        ),
        ({"items": ["price"]}, "item 'price' must be one of the categorical features"),
        ({"items": []}, "at least 1 item"),
        ({"items": ["video", "video"]}, "items and labels must be named once"),
        (
            {"labels": ["clik"]},
            "label 'clik' must be the name of a task of 0 and 1, got click; did you mean 'click'?",
        ),
        ({"labels": ["watch"]}, "label 'watch' must be the name of a task of 0 and 1, got click"),
        ({"length": 0}, "greater than or equal to 1"),
        ({"length": 1001}, "less than or equal to 1000"),
        ({"labels_after": None}, "labels_after must say how long after its row a label is known"),
        ({"labels_after": "never"}, "must be a length of time, got never: no label would be known"),
        ({"labels": None}, "labels_after must come with 'labels', got 1h without any"),
        ({"labels_after": "soon"}, "must be a whole number and a unit, such as 500ms"),
        ({"of": []}, "of must name one column or several different ones, got []"),
        ({"of": ["user", "user"]}, "got ['user', 'user']"),
        ({"of": "is_click"}, "a feature must not be an outcome: is_click is the label of a task"),
        ({"reader": "lstm"}, "Input should be 'mean', 'din' or 'bst'"),
    ],
)
def test_anything_else_is_an_error_that_says_what_must_hold(
    changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        data(of_seen(**changes))
    assert problem in str(caught.value)


def test_sequences_need_the_time_of_each_row() -> None:
    with pytest.raises(ValidationError, match=r"features\.sequences needs the key 'time'"):
        data(of_seen(), time=None)


def test_no_two_inputs_have_the_same_name() -> None:
    features = FEATURES | {"numeric": ["seen gap"]}
    with pytest.raises(ValidationError, match="adds the input 'seen gap', which must not be the"):
        data(of_seen(), features)
    twice = {"a": SEEN | {"items": ["b video"]}, "a b": SEEN | {"items": ["video"]}}
    features = FEATURES | {"categorical": ["video", "b video"]}
    with pytest.raises(ValidationError, match="sequence a b: adds the input 'a b video'"):
        data(twice, features)
