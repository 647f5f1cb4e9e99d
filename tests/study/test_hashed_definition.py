"""Hashed fields: what a definition accepts, and the errors for the rest."""

from typing import Any

import pytest
from pydantic import ValidationError

from hinet_search.study.feature_definition import FeatureDefinition

KEYS: dict[str, Any] = {
    "categorical": ["item", "city"],
    "numeric": ["price"],
    "crosses": [["item", "city"]],
    "lists": {"viewed": {"column": "viewed", "item": "item"}},
}


def hashed(**buckets: Any) -> FeatureDefinition:
    return FeatureDefinition.model_validate(KEYS | {"hashed": buckets})


def test_features_and_crosses_may_be_hashed() -> None:
    definition = hashed(item=1_000_000, **{"item x city": 2})
    assert definition.hashed == {"item": 1_000_000, "item x city": 2}


def test_a_definition_without_hashed_fields_is_written_as_before() -> None:
    assert "hashed" not in hashed().model_dump()


@pytest.mark.parametrize("wrong", [1, 0, -5, 100_000_001, 2.0, "9", True])
def test_buckets_are_a_whole_number_within_limits(wrong: object) -> None:
    with pytest.raises(ValidationError, match=r"hashed\.item"):
        hashed(item=wrong)


@pytest.mark.parametrize("name", ["price", "viewed", "click"])
def test_what_is_no_categorical_field_is_refused_in_words(name: str) -> None:
    with pytest.raises(ValidationError) as caught:
        hashed(**{name: 9})
    assert (
        f"hashed: '{name}' must be a categorical feature or the name of a cross, got item, city, "
        "item x city; a list has the buckets of its item"
    ) in str(caught.value)


def test_the_name_that_was_meant_is_told() -> None:
    with pytest.raises(ValidationError, match="did you mean 'item x city'"):
        hashed(**{"item x cit": 9})
