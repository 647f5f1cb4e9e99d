"""Ids that every scenario numbers for itself: when they are told, and made distinct."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tables import definition, prepared, shop, with_lists

from hinet_search.common.errors import DataError
from hinet_search.data.derived.statistics import statistic_names
from hinet_search.data.inspect.describe import describe
from hinet_search.data.inspect.numbering import RepeatedIds, repeated_ids
from hinet_search.study.feature_definition import FeatureDefinition

NUM_ROWS, NUM_IDS = 24_000, 100
DISTINCT = {"categorical": ["user", "item"], "numeric": ["price"]}


def table(*, own: bool, first: int = 0, seed: int = 0) -> pl.DataFrame:
    """Rows whose clicks follow from their item; every place may have items of its `own`."""
    draw = np.random.default_rng(seed)
    place, item = draw.integers(0, 2, NUM_ROWS), draw.integers(0, NUM_IDS, NUM_ROWS)
    taste = draw.normal(0, 1.5, (2, NUM_IDS))
    logit = taste[place if own else 0, item]
    return pl.DataFrame(
        {
            "place": np.where(place, "push", "home"),
            "item": item + first,
            "click": (draw.random(NUM_ROWS) < 1 / (1 + np.exp(-logit))).astype(np.int8),
        }
    )


def found(frame: pl.DataFrame) -> RepeatedIds | None:
    place_R = (frame["place"] == "push").to_numpy().astype(np.int16)
    labels_RT = frame.select("click").to_numpy().astype(np.uint8)
    return repeated_ids(frame["item"], place_R, labels_RT, ("click",))


@pytest.mark.parametrize("first", [0, 1])
def test_ids_that_agree_within_scenarios_and_not_between_them_are_told(first: int) -> None:
    repeated = found(table(own=True, first=first))
    assert repeated is not None
    assert (repeated.name, repeated.first, repeated.last) == ("item", first, first + NUM_IDS - 1)
    assert repeated.what == "rate of click"
    assert repeated.within > 0.8
    assert abs(repeated.between) < 0.3


def test_ids_that_mean_the_same_everywhere_or_nothing_are_not_told() -> None:
    assert found(table(own=False)) is None
    noise = pl.Series(np.random.default_rng(1).integers(0, 2, NUM_ROWS))
    assert found(table(own=True).with_columns(noise.alias("click"))) is None


@pytest.mark.parametrize(
    "ids",
    [
        pl.col("item") + 2,  # does not begin at 0 or 1
        pl.col("item") * 2,  # has gaps
        pl.col("item").cast(pl.UInt64) + 2**63,
        pl.col("item").cast(pl.String),
        pl.col("item") % 30,  # too few
        pl.col("item") + pl.when(pl.col("place") == "push").then(NUM_IDS).otherwise(0),
    ],
)
def test_ids_that_are_not_numbered_anew_are_not_told(ids: pl.Expr) -> None:
    assert found(table(own=True).with_columns(ids.alias("item"))) is None


def test_missing_ids_do_not_count() -> None:
    hole = pl.when(pl.int_range(pl.len()) % 7 > 0).then("item").alias("item")
    assert found(table(own=True).with_columns(hole)) is not None


def with_parts(frame: pl.DataFrame) -> pl.DataFrame:
    """The table with what the definition of the shop names besides."""
    draw = np.random.default_rng(3)
    return frame.with_columns(
        user=pl.Series(draw.integers(0, 40, len(frame))),
        price=pl.Series(draw.random(len(frame))),
        buy=pl.col("click") * pl.Series(draw.integers(0, 2, len(frame)), dtype=pl.Int8),
        minute=pl.int_range(pl.len()),
        part=pl.Series(np.repeat(["train", "valid", "test"], [16_000, 4000, 4000])),
    )


def test_the_warning_names_the_key_and_goes_with_it(tmp_path: Path) -> None:
    frame = with_parts(table(own=True))
    (warning,) = prepared(frame, tmp_path, features=DISTINCT).record.warnings
    assert warning.startswith(
        "item: ids 0 to 99 are in every scenario, but their rate of click in one scenario says "
        "nothing about that in another (correlation "
    )
    assert warning.endswith("set features: {distinct_by_scenario: [item]}")
    distinct = DISTINCT | {"distinct_by_scenario": ["item"]}
    assert prepared(frame, tmp_path, features=distinct).record.warnings == ()


def test_ids_distinct_by_scenario_are_encoded_as_pairs(tmp_path: Path) -> None:
    is_known = pl.col("minute") % 9 > 0
    frame = shop().with_columns(
        pl.when(is_known).then("item").alias("item"),
        pair=pl.when(is_known).then(pl.format("{}|{}", "place", "item")),
    )
    dataset = prepared(
        frame,
        tmp_path,
        features={"categorical": ["item", "pair"], "distinct_by_scenario": ["item"]},
    )
    assert dataset.full_schema.vocabulary_sizes == (9, 9)
    for columns in (dataset.train, dataset.valid, dataset.test):
        ids_RF = np.asarray(columns.ids_RF)
        assert len(np.unique(ids_RF, axis=0)) == len(np.unique(ids_RF[:, 0]))
    missing_R = frame["item"].head(420).is_null().to_numpy()
    assert ((np.asarray(dataset.train.ids_RF)[:, 0] == 0) == missing_R).all()


def test_statistics_of_a_distinct_id_are_those_of_the_pair(tmp_path: Path) -> None:
    def numbers(by: list[Any], **changes: Any) -> np.ndarray:
        features = {"categorical": ["item"], "statistics": {"by": by, "clock": "minute"}}
        dataset = prepared(shop(), tmp_path, features=features | changes)
        assert dataset.full_schema.numeric == statistic_names_of(by)
        return np.asarray(dataset.test.numeric_RN)

    distinct = numbers(["item"], distinct_by_scenario=["item"])
    np.testing.assert_array_equal(distinct, numbers([["item", "place"]]))
    assert not np.array_equal(distinct, numbers(["item"]))


def statistic_names_of(by: list[Any]) -> tuple[str, ...]:
    features = FeatureDefinition.model_validate({"categorical": ["item"], "statistics": {"by": by}})
    assert features.statistics is not None
    return tuple(statistic_names(features.statistics, ("click", "buy")))


def test_users_and_items_that_are_distinct_do_not_overlap(tmp_path: Path) -> None:
    features = DISTINCT | {"distinct_by_scenario": ["user", "item"]}
    dataset = prepared(shop(), tmp_path, features=features)
    description = describe(definition(features=features), dataset, tmp_path)
    assert [overlap.share for overlap in description.overlaps] == [((1.0, 0.0), (0.0, 1.0))] * 2
    assert np.asarray(dataset.train.user_R).max() > 40


def test_the_test_rows_of_a_study_stay_the_same(tmp_path: Path) -> None:
    distinct = DISTINCT | {"distinct_by_scenario": ["item"]}
    plain, changed = (prepared(shop(), tmp_path, features=each) for each in (DISTINCT, distinct))
    assert plain.record.test_rows == changed.record.test_rows
    assert plain.fingerprint != changed.fingerprint


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"distinct_by_scenario": ["price"]}, "'price' must be one of the categorical features"),
        (
            {
                "distinct_by_scenario": ["item"],
                "lists": {"watched": {"column": "watched", "item": "item"}},
            },
            "'item' must not be the item of a list or a column of matches",
        ),
        (
            {
                "categorical": ["user", "minute"],
                "distinct_by_scenario": ["minute"],
                "statistics": {"by": ["user"], "clock": "minute"},
            },
            "'minute' is a clock and no id",
        ),
    ],
)
def test_columns_that_cannot_be_distinct_are_refused(
    changes: dict[str, Any], problem: str, tmp_path: Path
) -> None:
    with pytest.raises((ValueError, DataError), match=problem):
        prepared(with_lists(shop()), tmp_path, features=DISTINCT | changes)
