"""Guesses: columns that say train, valid and test, and columns that look like them."""

import pytest

from hinet_search.data.guess.column_roles import guess_roles
from tests.data.guessing import N, facts, guessed, names


def test_a_column_of_train_valid_and_test_is_the_split_and_no_feature() -> None:
    guesses = guessed(
        fold=["train", "train", "val", "test"] * (N // 4), price=[i / 7 for i in range(N)]
    )
    assert guesses.split is not None
    assert guesses.split.column.name == "fold"
    assert names(guesses.categorical) == []


@pytest.mark.parametrize(
    "values",
    [
        ["train", "valid", "test"],
        ["TRAIN", "Validation", "TEST"],
        ["Training", "dev", "holdout"],
        ["train", "val", "eval"],
    ],
)
def test_the_words_of_a_split_are_known_in_any_case_whatever_the_columns_name(
    values: list[str],
) -> None:
    guesses = guessed(kind=values * (N // 3))
    assert guesses.split is not None
    assert guesses.split.to_check == ""
    assert "kind" not in names(guesses.categorical)


def test_0_1_and_2_in_any_other_column_are_no_split() -> None:
    guesses = guessed(level=[0, 1, 2] * (N // 3))
    assert guesses.split is None
    assert names(guesses.categorical) == ["level"]


@pytest.mark.parametrize("column", ["sample", "channel"])
def test_a_split_without_rows_of_a_part_is_no_feature_no_label_and_no_scenario(column: str) -> None:
    roles = guess_roles(
        facts(
            is_click=[1, 0, 0] * (N // 3),
            page=["a", "b", "c", "d", "e", "f"] * (N // 6),
            **{column: ["train", "test"] * (N // 2)},
        )
    )
    assert roles.scenario is not None
    assert roles.scenario.column.name == "page"
    assert [(role.column.name, role.reason) for role in roles.left_out] == [
        (column, "a split without valid: with rows of every part it could split")
    ]


@pytest.mark.parametrize("values", [["train", "test"], [0, 1, 2, 3]])
def test_a_column_named_like_a_split_without_its_values_is_left_out(values: list[object]) -> None:
    assert names(
        guessed(fold=values * (N // len(values)), is_click=[1, 0, 0] * (N // 3)).left_out
    ) == ["fold"]


def test_a_column_named_like_a_split_and_an_outcome_is_listed_once() -> None:
    guesses = guessed(split_amount=[0.5, 1.5, 2.5] * (N // 3))
    assert names(guesses.left_out) == ["split_amount"]
    assert guesses.outcomes == ()
