"""Crosses: what a definition accepts, and the errors for the rest."""

from typing import Any

import pytest
from pydantic import ValidationError

from hinet_search.study.feature_definition import FeatureDefinition

KEYS: dict[str, Any] = {"categorical": ["daytime", "weekday", "city"], "numeric": ["price"]}


def features(*crosses: Any, **keys: Any) -> FeatureDefinition:
    return FeatureDefinition.model_validate(KEYS | keys | {"crosses": list(crosses)})


def refusal(*crosses: Any, **keys: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        features(*crosses, **keys)
    return str(caught.value)


def test_a_cross_is_a_field_after_the_features_it_is_made_of() -> None:
    crossed = features(["daytime", "weekday"], ["city", "daytime"])
    assert crossed.fields == (*KEYS["categorical"], "daytime x weekday", "city x daytime")
    assert crossed.seen_columns == {*KEYS["categorical"], "price"}


def test_crosses_are_a_group_that_a_model_can_do_without() -> None:
    crossed = features(["daytime", "weekday"], groups={"place": ["city"]})
    assert crossed.group_names == ("crosses", "place")
    assert crossed.optional_groups == ("crosses", "place")


def test_a_model_may_have_crosses_alone() -> None:
    grouped = {"all columns": [*KEYS["categorical"], *KEYS["numeric"]]}
    crossed = features(["daytime", "weekday"], groups=grouped)
    assert crossed.leaves_inputs("crosses")
    assert not crossed.leaves_inputs("none")


def test_a_definition_without_crosses_is_written_as_before() -> None:
    assert "crosses" not in features().model_dump()
    assert features().group_names == ()


@pytest.mark.parametrize(
    ("cross", "keys", "message"),
    [
        (
            ["daytim", "weekday"],
            {},
            (
                "crosses: 'daytim' must be one of the categorical features, got daytime, weekday, "
                "city; did you mean 'daytime'?"
            ),
        ),
        (
            ["city", "price"],
            {},
            (
                "crosses: 'price' must be one of the categorical features, got a numeric one; list it "
                "under categorical instead, or remove it"
            ),
        ),
        (
            ["city", "genres"],
            {"lists": {"genres": {"column": "genres"}}},
            "crosses: 'genres' must be one of the categorical features, got a list",
        ),
        (
            ["city", "city"],
            {},
            "crosses: 'city' must be crossed with another feature, got itself",
        ),
        (
            ["daytime", "weekday"],
            {"categorical": ["daytime", "weekday", "daytime x weekday"]},
            "crosses: 'daytime x weekday' must not be the name of another input",
        ),
        (
            ["daytime", "weekday"],
            {"lists": {"daytime x weekday": {"column": "genres"}}},
            "crosses: 'daytime x weekday' must not be the name of another input",
        ),
        (
            ["city", "hour cos"],
            {
                "categorical": ["city", "hour cos"],
                "numeric": ["city x hour"],
                "transforms": {"city x hour": {"cycle": 24}},
            },
            "crosses: 'city x hour cos' must not be the name of another input",
        ),
        (["city"], {}, "crosses"),
        ("city", {}, "crosses"),
        (["city", ""], {}, "crosses"),
        (["city", "daytime", "weekday"], {}, "crosses"),
    ],
)
def test_a_cross_must_be_a_pair_of_categorical_features(
    cross: Any, keys: dict[str, Any], message: str
) -> None:
    assert message in refusal(cross, **keys)


def test_a_pair_is_crossed_once_in_whatever_order() -> None:
    told = refusal(["city", "daytime"], ["daytime", "city"])
    assert "crosses: city and daytime must be crossed once, got twice; remove one" in told


def test_two_pairs_must_not_have_one_name() -> None:
    names = ["a", "b", "a x b", "c", "b x c"]
    told = refusal(["a x b", "c"], ["a", "b x c"], categorical=names)
    assert "crosses: 'a x b x c' must not be the name of another input; rename" in told


def test_the_group_of_crosses_keeps_its_name() -> None:
    assert "'crosses' is the name of a kind of inputs" in refusal(groups={"crosses": ["city"]})
