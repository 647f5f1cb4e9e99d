"""Crosses of two columns: a field whose values are pairs, against a plain loop over the rows."""

from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tables import definition, prepared, problems_of, shop

from hinet_search.data import crosses
from hinet_search.data.crosses import crossed
from hinet_search.data.fingerprint import fingerprint
from hinet_search.data.inspect.describe import describe

FEATURES = {"categorical": ["user", "item"], "numeric": ["price", "age"]}
CROSSED = FEATURES | {"crosses": [["user", "item"]]}
TEXTS = st.none() | st.text("1/ x", max_size=3)


def gaps() -> pl.DataFrame:
    """The shop with missing items, and users of test that train does not have."""
    minute = pl.col("minute")
    return shop().with_columns(
        item=pl.when(minute % 7 > 0).then("item"),
        user=pl.when(minute > 590).then(99).otherwise("user"),
    )


def expected_ids(frame: pl.DataFrame, first: str, second: str, least: int) -> list[int]:
    """The id of every row's pair by a plain loop: 0 if a value is missing, or it is rare."""
    pairs = list(zip(frame[first], frame[second], strict=True))
    train = [pair for pair, part in zip(pairs, frame["part"], strict=True) if part == "train"]
    counts = Counter(pair for pair in train if None not in pair)

    def text(pair: tuple[Any, Any]) -> str:
        return f"{len(str(pair[0]))}/{pair[0]}/{pair[1]}"

    frequent = [pair for pair, count in counts.items() if count >= least]
    ordered = sorted(frequent, key=lambda pair: (-counts[pair], text(pair)))
    return [1 + ordered.index(pair) if pair in ordered else 0 for pair in pairs]


@pytest.mark.parametrize("least", [1, 3])
def test_ids_of_pairs_are_in_order_of_training_frequency(least: int, tmp_path: Path) -> None:
    frame = gaps()
    data = prepared(frame, tmp_path, features=CROSSED, minimum_frequency=least)
    assert data.full_schema.categorical == ("user", "item", "user x item")
    ids = expected_ids(frame, "user", "item", least)
    got = [split.ids_RF[:, 2] for split in (data.train, data.valid, data.test)]
    assert np.concatenate(got).tolist() == ids
    assert max(ids) > 5 < ids.count(0)


def test_the_fields_themselves_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    plain = prepared(gaps(), tmp_path / "plain")
    data = prepared(gaps(), tmp_path, features=CROSSED)
    np.testing.assert_array_equal(data.train.ids_RF[:, :2], plain.train.ids_RF)
    np.testing.assert_array_equal(data.test.numeric_RN, plain.test.numeric_RN)


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=20))
def test_no_two_pairs_have_the_same_text_whatever_they_hold(
    pairs: list[tuple[str | None, str | None]],
) -> None:
    frame = pl.DataFrame(pairs, {"first": pl.String, "second": pl.String}, orient="row")
    texts = crossed(frame["first"], frame["second"]).to_list()
    known = [pair for pair in pairs if None not in pair]
    assert [text is None for text in texts] == [None in pair for pair in pairs]
    assert len({*texts} - {None}) == len({*known})


def test_numbers_truths_and_dates_are_crossed_as_texts() -> None:
    first = pl.Series([1.0, 2.5, float("nan"), None])
    second = pl.Series([True, False, True, True])
    assert crossed(first, second).to_list() == ["1/1/true", "3/2.5/false", None, None]
    dates = pl.Series([date(2026, 5, 1)])
    assert crossed(dates, pl.Series([""])).to_list() == ["10/2026-05-01/"]
    assert crossed(pl.Series(["äö"]), pl.Series(["x"])).to_list() == ["2/äö/x"]


def test_ids_that_are_distinct_by_scenario_are_so_in_a_cross(tmp_path: Path) -> None:
    features = CROSSED | {"distinct_by_scenario": ["user"]}
    data = prepared(gaps(), tmp_path, features=features)
    of_scenario = np.unique(data.train.scenario_R[data.train.ids_RF[:, 2] == 1])
    assert of_scenario.size == 1


def test_a_feature_may_be_crossed_with_the_scenario(tmp_path: Path) -> None:
    features = {"categorical": ["item", "place"], "crosses": [["place", "item"]]}
    data = prepared(shop(), tmp_path, features=features)
    assert data.full_schema.vocabulary_sizes == (5, 3, 9)


def test_a_study_can_leave_crosses_out(tmp_path: Path) -> None:
    data = prepared(gaps(), tmp_path, features=CROSSED)
    assert data.groups == {"crosses": ("user x item",)}
    assert data.with_groups("none").full_schema.categorical == ("user", "item")
    assert data.record.groups == {"crosses": 1}


def test_definitions_without_crosses_keep_their_fingerprint() -> None:
    of_then = "3e7b21aa9dad0ecb"
    assert fingerprint(definition(), "rows") == of_then
    assert fingerprint(definition(features=FEATURES | {"crosses": []}), "rows") == of_then
    assert fingerprint(definition(features=CROSSED), "rows") != of_then


def test_a_column_with_the_name_of_a_cross_is_refused(tmp_path: Path) -> None:
    frame = shop().with_columns(pl.col("click").alias("user x item"))
    tasks = {"click": {"column": "user x item"}}
    (told,) = problems_of(frame, tmp_path, features=CROSSED, tasks=tasks)
    assert told == (
        "data.features: every derived input needs its own name, but these are taken: user x item"
    )


def test_a_cross_whose_name_polars_takes_for_a_pattern_is_refused(tmp_path: Path) -> None:
    frame = shop().rename({"user": "^user", "item": "item$"})
    features = {"categorical": ["^user", "item$"], "crosses": [["^user", "item$"]]}
    (told,) = problems_of(frame, tmp_path, features=features, user="^user", item="item$")
    assert told.endswith("columns must not be named '*' or '^...$', got '^user x item$'")


def test_a_column_that_is_not_read_may_have_the_name_of_a_cross(tmp_path: Path) -> None:
    frame = shop().with_columns(pl.col("click").alias("user x item"))
    data = prepared(frame, tmp_path, features=CROSSED, never_features=["user x item"])
    assert data.full_schema.vocabulary_sizes[2] > 100


def test_pairs_with_few_rows_each_are_warned_of(tmp_path: Path) -> None:
    data = prepared(gaps(), tmp_path, features=CROSSED)
    num_pairs = data.full_schema.vocabulary_sizes[2] - 1
    assert num_pairs > 420 / 5
    assert (
        f"user x item: {num_pairs} pairs have an id, and train has 420 rows, fewer than 5 a pair: "
        "cross features of fewer values, or raise minimum_frequency"
    ) in data.record.warnings
    assert any(
        warning.startswith("user x item: ") and "without an id" in warning
        for warning in data.record.warnings
    )


def test_crosses_of_enough_rows_are_not_warned_of(tmp_path: Path) -> None:
    features = {"categorical": ["item", "place"], "crosses": [["place", "item"]]}
    data = prepared(shop(), tmp_path, features=features)
    assert not [warning for warning in data.record.warnings if "place x item" in warning]


def test_more_pairs_than_fields_of_few_values_have_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crosses, "MAX_PAIRS", 3)
    (told,) = problems_of(shop(), tmp_path, features=CROSSED)
    assert told.startswith(
        "data.features.crosses: 'user x item' must have at most 3 pairs with an id, got 1"
    )
    assert told.endswith("raise minimum_frequency, or list the cross under hashed")
    hashed = CROSSED | {"hashed": {"user x item": 50}}
    assert prepared(shop(), tmp_path, features=hashed).full_schema.vocabulary_sizes[2] > 4


def test_crosses_are_described_as_fields(tmp_path: Path) -> None:
    data = prepared(gaps(), tmp_path, features=CROSSED)
    facts = describe(definition(features=CROSSED), data, tmp_path).categorical[2]
    pairs = gaps().select("user", "item").drop_nulls()
    assert (facts.name, facts.num_values) == ("user x item", len(pairs.unique()))
    assert facts.missing == gaps()["item"].null_count()
