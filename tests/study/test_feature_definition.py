"""Features: what derived inputs accept, and the errors for the rest."""

from typing import Any

import pytest
from pydantic import ValidationError

from hinet_search.results.data_record import chosen_groups
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.feature_definition import FeatureDefinition

LISTS: dict[str, Any] = {
    "watched": {"column": "watch_seq", "item": "video"},
    "liked": {"column": "like_seq", "item": "video", "pooled": False},
    "visited": {"column": "visit_seq", "item": "author", "pooled": False},
}
KEYS: dict[str, Any] = {
    "categorical": ["user", "video", "author"],
    "numeric": ["price"],
    "lists": LISTS,
}


def features(**changes: Any) -> FeatureDefinition:
    return FeatureDefinition.model_validate(KEYS | changes)


def data(**changes: Any) -> DataDefinition:
    return DataDefinition.model_validate(
        {
            "source": {"kind": "table"},
            "scenario": {"column": "tab"},
            "tasks": {"click": {"column": "is_click"}},
            "features": KEYS | changes.pop("features", {}),
            "split": {"by": "random"},
        }
        | changes
    )


def matches(**changes: Any) -> dict[str, Any]:
    return {"lists": ["watched"], "by": ["video"], **changes}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"lists": {"seen": {"column": "c", "item": "shop"}}},
            "list seen: item 'shop' must be one of the categorical",
        ),
        ({"lists": {"price": LISTS["watched"]}}, "list price: must not have the name of a feature"),
        (
            {"lists": {"tags": {"column": "c", "pooled": False}}},
            "a list without 'item' must be pooled: matches need lists of items",
        ),
        (
            {"lists": {"tags": {"column": "c", "pooling": "attention"}}},
            "attention is by the row's item: it needs the key 'item'",
        ),
        ({"lists": {"tags": {"column": "c", "separator": ""}}}, "at least 1 character"),
        (
            {"lists": {"a": {"column": "c", "separator": "|"}, "b": {"column": "c"}}},
            "list a: column 'c' has a separator and must be of one list only",
        ),
        (
            {"lists": LISTS | {"tags": {"column": "c"}}, "matches": matches(lists=["tags"])},
            "matches need lists with the key 'item', tags has none",
        ),
        ({"lists": {"seen": LISTS["watched"] | {"length": 0}}}, "greater than or equal to 1"),
        ({"lists": {"seen": LISTS["watched"] | {"pooling": "max"}}}, "'mean' or 'attention'"),
        (
            {"matches": matches(lists=["wached"])},
            "matches name no list: wached, known: watched, liked, visited",
        ),
        ({"matches": matches(similarity=["seen"])}, "matches name no list: seen"),
        ({"matches": matches(rates={"liked": "seen"})}, "matches name no list: seen"),
        (
            {"matches": matches(rates={"visited": "watched"})},
            "rate visited: watched must be of lists of one item",
        ),
        ({"matches": matches(by=["video", "video"])}, "every name of 'by' once, got twice: video"),
        (
            {"matches": matches(lists=["liked", "liked"])},
            "every name of 'lists' once, got twice: liked",
        ),
        (
            {"matches": matches(similarity=["liked", "liked"])},
            "every name of 'similarity' once, got twice: liked",
        ),
        ({"groups": {"money": []}}, "'money' is empty"),
        ({"groups": {"lists": ["price"]}}, "'lists' is the name of a kind of inputs"),
        ({"groups": {"a+b": ["price"]}}, r"'a\+b' must not hold '\+'"),
        ({"groups": {"money": ["watched"]}}, "'watched' is no feature"),
        ({"groups": {"one": ["price"], "two": ["price"]}}, "'price' is in two groups"),
        ({"statistics": {"by": ["user", "user"]}}, "every key once, of different columns: user"),
        (
            {"statistics": {"by": [["user", "user"]]}},
            "every key once, of different columns: user x user",
        ),
    ],
)
def test_features_that_make_no_sense_are_refused(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        features(**changes)


def test_groups_are_the_kinds_that_give_inputs_and_then_those_that_are_named() -> None:
    named = features(matches=matches(), groups={"money": ["price"]})
    assert named.group_names == ("lists", "matches", "money")
    unpooled = {name: definition for name, definition in LISTS.items() if name != "watched"}
    assert features(statistics={"by": ["user"]}, lists=unpooled).group_names == ("statistics",)


def test_all_and_none_are_every_group_and_no_group() -> None:
    assert chosen_groups("all", ("a", "b")) == {"a", "b"}
    assert chosen_groups("none", ("a", "b")) == frozenset()
    assert chosen_groups("b+a", ("a", "b", "c")) == {"a", "b"}


@pytest.mark.parametrize(
    ("groups", "leaves"),
    [("all", True), ("none", False), ("lists", False), ("statistics", True), ("rest", True)],
)
def test_without_statistics_matches_and_columns_a_model_sees_nothing(
    groups: str, *, leaves: bool
) -> None:
    named = features(
        statistics={"by": ["user"]}, groups={"ids": ["user", "video", "author"], "rest": ["price"]}
    )
    assert named.leaves_inputs(groups) is leaves


@pytest.mark.parametrize(
    "changes",
    [
        {"statistics": {"by": ["user", ["video", "is_click"]]}},
        {"matches": matches(by=["is_click"])},
        {"lists": {"watched": {"column": "is_click", "item": "video"}}},
    ],
)
def test_a_label_is_no_key_of_derived_inputs(changes: dict[str, Any]) -> None:
    with pytest.raises(
        ValidationError, match="a feature must not be an outcome: is_click is the label of a task"
    ):
        data(features=changes)


def test_the_clock_of_statistics_may_be_a_column_that_must_never_be_a_feature() -> None:
    statistics = {"by": ["user"], "clock": "date"}
    assert (
        data(features={"statistics": statistics}, never_features=["date"]).features.statistics
        is not None
    )


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"refresh": "day"}, "'refresh: day' needs a clock.* or remove refresh"),
        ({"labels_after": "1d"}, "'labels_after: 1d' needs a clock.* or remove labels_after"),
        ({"half_life": "3d"}, "'half_life: 3d' needs a clock.* or remove half_life"),
        ({"clock": "at", "labels_after": "36h"}, "must be whole days, .* got 36h; round it up"),
        (
            {"clock": "at", "refresh": "hour", "labels_after": "90m"},
            "must be whole hours, .* got 90m; round it up",
        ),
        ({"clock": "at", "labels_after": "soon"}, "must be a whole number and a unit, such as"),
        ({"day_length": 86_400}, "there is no clock: name a time column under 'clock'"),
        ({"clock": "is_click"}, "must be a column of days, got the label is_click"),
    ],
)
def test_freshness_needs_a_clock_and_whole_days_or_hours(keys: dict[str, str], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        data(features={"statistics": {"by": ["user"], **keys}})


def test_a_delay_of_hours_that_are_whole_days_is_one_of_days() -> None:
    statistics = {"by": ["user"], "clock": "at", "refresh": "day", "labels_after": "48h"}
    definition = data(features={"statistics": statistics}).features.statistics
    assert definition is not None
    assert definition.delay == 2


@pytest.mark.parametrize("length", [0, -1, float("nan"), float("inf")])
def test_a_day_must_have_a_positive_length(length: float) -> None:
    statistics = {"by": ["user"], "clock": "date", "day_length": length}
    with pytest.raises(ValidationError, match="day_length"):
        data(features={"statistics": statistics})


@pytest.mark.parametrize("key", [{"rates": {"liked": "watched"}}, {"similarity": ["watched"]}])
def test_lists_of_all_users_need_the_column_of_the_user(key: dict[str, Any]) -> None:
    wanted = {"matches": matches(**key)}
    with pytest.raises(
        ValidationError, match="rates and similarity of matches need the key 'user'"
    ):
        data(features=wanted)
    assert data(features=wanted, user="user").user == "user"
