"""Encoding: ids by training frequency, standardised numbers, missing flags."""

from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hinet_search.data import encode
from hinet_search.data.encode import TrainingRows, encode_ids, encode_numbers, fit_encoding
from hinet_search.study.feature_definition import FeatureDefinition

WORD = FeatureDefinition(categorical=("word",))
NUMBER = FeatureDefinition(numeric=("number",))


def ids_of(train: list[object], others: list[object], minimum_frequency: int = 1) -> list[int]:
    encoding = fit_encoding(
        TrainingRows(pl.DataFrame({"word": train}, strict=False)), WORD, minimum_frequency
    )
    return encode_ids(pl.DataFrame({"word": others}, strict=False), encoding)[:, 0].tolist()


def numbers_of(train: list[float | None], others: list[float | None]) -> list[list[float]]:
    schema = {"number": pl.Float64}
    encoding = fit_encoding(TrainingRows(pl.DataFrame({"number": train}, schema)), NUMBER)
    return encode_numbers(pl.DataFrame({"number": others}, schema), encoding).tolist()


@given(st.lists(st.text("abcdef", max_size=2), min_size=1))
def test_ids_are_in_order_of_training_frequency_and_ties_in_order_of_the_values(
    words: list[str],
) -> None:
    counts = Counter(words)
    expected = sorted(counts, key=lambda word: (-counts[word], word))
    assert ids_of(list(words), list(expected)) == list(range(1, len(expected) + 1))


@given(st.lists(st.integers(0, 20), min_size=1), st.lists(st.integers(0, 40), min_size=1))
def test_exactly_the_ids_unseen_in_training_are_zero(train: list[int], others: list[int]) -> None:
    assert [code == 0 for code in ids_of(list(train), list(others))] == [
        other not in train for other in others
    ]


@pytest.mark.parametrize(
    ("train", "others", "ids"),
    [
        ([None, None, "a"], [None, "a"], [0, 1]),
        ([float("nan"), float("nan"), 2.0], [float("nan"), 2.0], [0, 1]),
        ([True, True, False], [False, True], [2, 1]),
    ],
    ids=["null takes no id", "nor does NaN", "true and false have ids"],
)
def test_ids_are_of_values(train: list[object], others: list[object], ids: list[int]) -> None:
    assert ids_of(train, others) == ids


@pytest.mark.parametrize(
    "dtype", [pl.Int64, pl.UInt16, pl.Float64, pl.String, pl.Date, pl.Boolean], ids=str
)
def test_values_of_a_large_vocabulary_are_looked_up_as_those_of_a_small_one(
    dtype: pl.DataType, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = pl.Series(np.random.default_rng(1).permutation(2 if dtype == pl.Boolean else 500))
    known = drawn.cast(pl.Boolean) if dtype == pl.Boolean else drawn.cast(pl.Int32).cast(dtype)
    counts = known.alias("value").value_counts(name="count")
    vocabulary = encode.vocabulary_of("shop", counts, 1)
    unknown = pl.Series([None, 5_000, 600, 1_000], dtype=pl.Int32)
    asked = pl.concat([known.reverse(), unknown.cast(dtype), known])
    ids = encode.ids_of(asked, vocabulary)
    assert {*ids.tolist()} == {*range(vocabulary.size)}
    monkeypatch.setattr(encode, "LARGE_VOCABULARY", 1)
    assert "in_order" not in vars(vocabulary)
    assert encode.ids_of(asked, vocabulary).tolist() == ids.tolist()
    assert "in_order" in vars(vocabulary), "it is sorted once"


def test_ids_rarer_than_the_minimum_are_zero() -> None:
    assert ids_of(["a", "b", "b", "c", "c"], ["a", "b", "c"], minimum_frequency=2) == [0, 1, 2]


def test_a_column_without_any_training_value_encodes_to_zero() -> None:
    encoding = fit_encoding(
        TrainingRows(pl.DataFrame({"word": [None, None]}, {"word": pl.String})), WORD
    )
    assert encode_ids(pl.DataFrame({"word": ["a", None]}), encoding)[:, 0].tolist() == [0, 0]
    assert encoding.vocabularies[0].size == 1


@given(
    st.lists(st.integers(-1000, 1000), min_size=2, unique=True),
    st.floats(0.1, 1e4),
    st.floats(-1e5, 1e5),
)
def test_numbers_have_mean_zero_and_deviation_one_on_train(
    values: list[int], scale: float, shift: float
) -> None:
    numbers = [value * scale + shift for value in values]
    encoded = np.array(numbers_of(list(numbers), list(numbers)))
    assert encoded.mean() == pytest.approx(0, abs=1e-5)
    assert encoded.std() == pytest.approx(1, abs=1e-4)


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("train", "others", "inputs"),
    [
        ([1.0, 3.0], [5.0, 2.0], [[3.0], [0.0]]),
        ([0.1] * 7, [0.1, 5.1], [[0.0], [0.0]]),
        ([0.0] * 7, [0.0, 5.0], [[0.0], [0.0]]),
        ([1e12] * 7, [1e12, 1e12 + 5], [[0.0], [0.0]]),
        ([1.0, 3.0, None], [None, 3.0], [[0.0, 1.0], [1.0, 0.0]]),
        ([1.0, 3.0, INF, NAN], [NAN, -INF, 3.0], [[0.0, 1.0], [0.0, 1.0], [1.0, 0.0]]),
        ([1.0, 3.0], [None], [[0.0]]),
        ([None, None], [4.0, None], [[0.0, 0.0], [0.0, 1.0]]),
    ],
    ids=[
        "elsewhere they are measured by mean and deviation of training",
        "a constant is 0 everywhere",
        "so is a constant of 0",
        "so is a large constant",
        "a missing number sits at the mean and raises its flag",
        "so do NaN and infinity",
        "a column complete in training has no flag",
        "one without any number in training is 0 with a flag",
    ],
)
def test_numbers_become_inputs(
    train: list[float | None], others: list[float | None], inputs: list[list[float]]
) -> None:
    assert numbers_of(train, others) == inputs


def test_flags_come_after_all_numbers_and_are_named_for_their_feature() -> None:
    frame = pl.DataFrame({"a": [1.0, None], "b": [1, 2], "c": [None, 2.0]})
    encoding = fit_encoding(TrainingRows(frame), FeatureDefinition(numeric=("a", "b", "c")))
    assert encoding.numeric_inputs == ("a", "b", "c", "a_missing", "c_missing")
    assert encode_numbers(frame, encoding)[:, 3:].tolist() == [[0.0, 1.0], [1.0, 0.0]]


def test_a_flag_that_the_table_brings_itself_is_not_added_again() -> None:
    frame = pl.DataFrame({"a": [1.0, None], "a_missing": [0, 1]})
    encoding = fit_encoding(TrainingRows(frame), FeatureDefinition(numeric=("a", "a_missing")))
    assert encoding.numeric_inputs == ("a", "a_missing")
