"""A definition that contradicts itself is refused before any table is read."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tables import definition

from hinet_search.common.errors import ConfigurationError
from hinet_search.data.sources.table import Join
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.yaml_file import read

EVENTS = {"by": ["user"], "labels_after": "5s"}
PLACES = {"scenario": {"column": "place", "values": {"home": "Home", "push": "Push"}}}


def features(**keys: Any) -> dict[str, Any]:
    return {"features": {"categorical": ["user"], "numeric": ["price", "age"], **keys}}


def buy(**keys: Any) -> dict[str, Any]:
    return {"tasks": {"click": {"column": "click"}, "buy": {"column": "buy", **keys}}}


REFUSED: dict[str, dict[str, Any]] = {
    "features.session needs the key 'user' (the user column)": {
        **features(session={"gap": "1h"}),
        "user": None,
    },
    "time_unit is of the column under 'time'": {"time": None, "time_unit": "s"},
    "a feature must not be an outcome: place is listed in never_features": {
        **features(events=EVENTS | {"by": ["user", "place"]}),
        "never_features": ["place"],
    },
    "transforms: 'cost' must be one of the numeric features, got price, age; list it under": (
        features(transforms={"cost": "log"})
    ),
    "transforms: the cycle of 'age' adds the input 'age sin', which must not be the name of": (
        features(transforms={"age": {"cycle": 24}}, numeric=["price", "age", "age sin"])
    ),
    "clip: 'cost' must be one of the numeric features": features(clip={"cost": [0, 1]}),
    "must be [LOW, HIGH] with LOW < HIGH, got [1.0, 1.0]": features(clip={"price": [1, 1]}),
    "finite": features(clip={"price": [0, float("inf")]}),
    "required": features(clip={"price": [0]}),
    "a task of kind amount takes the values as they are": buy(kind="amount", above=3),
    "'at_most' limits amounts; write 'kind: amount' too": buy(at_most=30),
    "greater than 0": buy(kind="amount", at_most=0),
    "'amount'": buy(kind="number"),
    "data.tasks.buy.scenarios: must name scenarios, got 'Hom'; did you mean 'Home'?": (
        PLACES | buy(scenarios=["Hom"])
    ),
    "data.tasks: every scenario must have a task, got none for 'Push'; add it": (
        PLACES | {"tasks": {"buy": {"column": "buy", "scenarios": ["Home"]}}}
    ),
    "a task must be in a scenario, got none; name one, or remove the task": buy(scenarios=[]),
}


@pytest.mark.parametrize("problem", REFUSED)
def test_keys_that_do_not_fit_together_are_refused(problem: str) -> None:
    with pytest.raises(ValidationError) as caught:
        definition(**REFUSED[problem])
    assert problem in str(caught.value)


USES = {
    "place": "scenario",
    "click": "tasks",
    "price": "features",
    "user": "features and user",
    "minute": "time",
    "part": "split",
    "age": "features",
    "hour": "features",
}


@pytest.mark.parametrize("column", USES)
def test_a_column_of_another_use_cannot_be_the_weight(column: str) -> None:
    keys = {"numeric": ["price"], "statistics": {"by": ["user", "age"], "clock": "hour"}}
    with pytest.raises(ValidationError) as caught:
        definition(weight=column, features=keys)
    assert (
        f"weight must be a column of weights alone, got '{column}', which is in {USES[column]} "
        "too; take it out there, or copy it to a column of its own"
    ) in str(caught.value)


@pytest.mark.parametrize(
    "keys", [{"on": ["user", "user"]}, {"on": "id", "columns": ["city", "user", "user"]}]
)
def test_a_column_that_a_join_names_twice_is_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="a join names every column once, got more of user"):
        Join(path="other.parquet", **keys)


@pytest.mark.parametrize(
    ("transform", "problem"),
    [
        ("{cycle: 0}", "features.transforms.age.cycle: must be greater than 0, got 0"),
        ("{cycle: .inf}", "numbers must be finite, got inf"),
        ("{period: 7}", "unknown key 'period' in 'features.transforms.age'"),
        ("sqrt", "must be 'log' or 'quantile' or a mapping of keys, got 'sqrt'"),
    ],
)
def test_an_unknown_transform_is_refused_with_its_line(
    transform: str, problem: str, tmp_path: Path
) -> None:
    file = tmp_path / "data.yaml"
    file.write_text(
        "source: {kind: table, path: a.parquet}\n"
        "scenario: {column: place}\n"
        "tasks: {click: {column: click}}\n"
        "split: {by: random}\n"
        f"features:\n  numeric: [age]\n  transforms:\n    age: {transform}\n"
    )
    with pytest.raises(ConfigurationError) as caught:
        read(file).parse(DataDefinition)
    assert any("data.yaml:8:" in line and problem in line for line in caught.value.problems)
