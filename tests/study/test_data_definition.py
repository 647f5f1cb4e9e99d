"""The data definition: what it accepts, and the errors for the rest."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from hinet_search.common.errors import ConfigurationError
from hinet_search.study.data_definition import (
    DataDefinition,
    ScenarioDefinition,
    TimeSplit,
    split_in_words,
)
from hinet_search.study.yaml_file import read

KEYS: dict[str, Any] = {
    "source": {"kind": "table", "path": "rows.parquet"},
    "scenario": {"column": "tab"},
    "tasks": {"click": {"column": "is_click"}},
    "features": {"categorical": ["user_id"], "numeric": ["price"]},
    "split": {"by": "random"},
}


def define(**changes: Any) -> DataDefinition:
    return DataDefinition.model_validate(KEYS | changes)


def test_options_of_a_source_are_its_keys_beside_the_kind() -> None:
    assert define().source.options == {"path": "rows.parquet"}


@pytest.mark.parametrize(
    ("feature", "changes", "problem"),
    [
        ("is_click", {}, "is_click is the label of a task"),
        ("truth_click", {}, "truth_click is the true probability of a task"),
        ("part", {"split": {"by": "column", "column": "part"}}, "part is the split column"),
        ("seconds", {"never_features": ["seconds"]}, "seconds is listed in never_features"),
    ],
)
def test_an_outcome_is_refused_as_a_feature(
    feature: str, changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ValidationError, match=problem):
        define(features={"numeric": [feature]}, **changes)


HALVES = {"valid": 0.5, "test": 0.5}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"features": {"categorical": ["price"], "numeric": ["price"]}},
            "features are named twice: price",
        ),
        ({"tasks": {"click": {"column": "c", "above": 1, "equals": 2}}}, "at most one of"),
        ({"split": {"by": "random", **HALVES}}, "so that training rows are left"),
        ({"split": {"by": "user", **HALVES}, "user": "u"}, "so that training rows are left"),
        ({"split": {"by": "time", "valid_from": 1, "test_from": 2}}, "needs the key 'time'"),
        ({"split": {"by": "user"}}, "needs the key 'user'"),
    ],
)
def test_a_definition_that_means_nothing_is_refused(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        define(**changes)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (5, 5),
        (6, 5),
        ("2022-05-04", "2022-05-03"),
        ("2022-05-03T01:00+02:00", "2022-05-02T23:00+00:00"),
    ],
)
def test_a_test_period_must_begin_after_validation(first: int | str, second: int | str) -> None:
    with pytest.raises(ValidationError, match="valid_from must be before test_from"):
        TimeSplit(by="time", valid_from=first, test_from=second)


@pytest.mark.parametrize("key", ["valid_from", "test_from"])
def test_a_cut_point_that_is_no_date_is_refused_with_its_name_and_line(
    key: str, tmp_path: Path
) -> None:
    cuts = {"valid_from": "2026-05-07", "test_from": "2026-05-09", key: "8.5.2026"}
    path = tmp_path / "d.yaml"
    path.write_text("by: time\n" + "".join(f"{name}: {cut}\n" for name, cut in cuts.items()))
    with pytest.raises(ConfigurationError) as caught:
        read(path).parse(TimeSplit)
    said = f"{key}: must be a number or an ISO date such as 2026-05-08, got '8.5.2026'"
    assert caught.value.problems == (f"{path}:{2 if key == 'valid_from' else 3}:1: {said}",)


@pytest.mark.parametrize("other", [3, "2022-05-02T00:00:00+00:00"])
def test_cut_points_of_two_kinds_are_no_pair(other: int | str) -> None:
    with pytest.raises(
        ValidationError, match="two numbers, two dates, or two dates with an offset"
    ):
        TimeSplit(by="time", valid_from=other, test_from="2022-05-03")


@pytest.mark.parametrize(
    ("split", "words"),
    [
        ({"by": "column", "column": "part"}, "by column 'part'"),
        ({"by": "time", "valid_from": 3, "test_from": 4}, "time: valid from 3, test from 4"),
        ({"by": "random", "seed": 7}, "random rows: 10% valid, 20% test, seed 7"),
        ({"by": "user", "valid": 0.2}, "by user: 20% valid, 20% test, seed 0"),
    ],
)
def test_every_split_says_in_words_what_it_is(split: dict[str, Any], words: str) -> None:
    assert split_in_words(define(split=split, time="t", user="u").split) == words


@pytest.mark.parametrize(
    "scenario",
    [
        {},
        {"every_row": "Shop", "column": "place"},
        {"every_row": "Shop", "values": {1: "Home"}},
        {"every_row": ""},
        {"column": "(every row)"},
    ],
)
def test_a_scenario_is_a_column_or_the_only_one(scenario: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ScenarioDefinition.model_validate(scenario)


def test_the_only_scenario_is_read_again_as_it_was_written() -> None:
    scenario = ScenarioDefinition.model_validate({"every_row": "Shop"})
    assert scenario.names == ("Shop",)
    assert ScenarioDefinition.model_validate(scenario.model_dump()) == scenario
    of_column = ScenarioDefinition.model_validate({"column": "place"})
    assert of_column.model_dump() == {"column": "place", "values": None}
