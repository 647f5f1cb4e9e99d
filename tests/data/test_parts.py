"""Parts: a column of train, valid and test is recognised by its values."""

import pytest

from hinet_search.data.guess.names import parts_of


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        (["train", "valid", "test"], ["train", "valid", "test"]),
        (["TEST", "Train", "VAL"], ["Train", "VAL", "TEST"]),
        (["training", "validation", "testing"], ["training", "validation", "testing"]),
        (["train", "dev", "eval"], ["train", "dev", "eval"]),
        (["train", "eval", "test"], ["train", "eval", "test"]),
    ],
)
def test_values_for_all_three_parts_are_found(values: list[str], parts: list[str]) -> None:
    assert parts_of(values) == dict(zip(("train", "valid", "test"), parts, strict=True))


@pytest.mark.parametrize(
    "values",
    [["train", "val", "dev", "test"], ["train", "valid", "test", "other"], ["Train", "train"]],
)
def test_values_that_mean_one_part_twice_or_none_give_no_parts(values: list[str]) -> None:
    assert parts_of(values) == {}


def test_a_part_without_a_value_is_missing() -> None:
    assert parts_of(["test", "train"]) == {"train": "train", "test": "test"}
