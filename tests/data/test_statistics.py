"""Target statistics: rows count exactly the labels that the rules allow, and nothing leaks."""

from dataclasses import replace
from datetime import date, timedelta
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from hinet_search.data.derived.countable_labels import FOLD_SEED
from hinet_search.data.derived.inputs import derive_numbers
from hinet_search.data.derived.statistics import statistic_names, target_statistics
from hinet_search.data.hashing import keys_of_values, uniform
from hinet_search.data.rows import RankGroups, Rows, read_rows
from hinet_search.study.statistics_definition import StatisticsDefinition
from tests.data import tables

TASKS = ("click", "buy")
TRAIN, VALID, TEST = 0, 1, 2
BY_DAY = StatisticsDefinition(by=("user", ("user", "item"), "price"), clock="day", smoothing=3.0)
BY_FOLD = StatisticsDefinition(by=("user", ("user", "item"), "price"), smoothing=3.0, folds=3)
EVERY_NIGHT = BY_DAY.model_copy(update={"refresh": "day"})
LATE = StatisticsDefinition.model_validate({**EVERY_NIGHT.model_dump(), "labels_after": "2d"})
LATE_AND_FROZEN = LATE.model_copy(update={"refresh": "never"})
FADING, LATE_AND_FADING = (
    StatisticsDefinition.model_validate({**each.model_dump(), "half_life": "36h"})
    for each in (BY_DAY, LATE)
)
EVERY_WAY = pytest.mark.parametrize(
    "definition",
    [BY_DAY, BY_FOLD, EVERY_NIGHT, LATE, LATE_AND_FROZEN, FADING, LATE_AND_FADING],
    ids=[
        "clock",
        "folds",
        "every night",
        "late labels",
        "late and frozen",
        "fading",
        "late, fading",
    ],
)


def rows_of(columns: dict[str, Any], labels_RT: Any, split_R: Any) -> Rows:
    labels_RT = np.asarray(labels_RT, dtype=np.uint8)
    return tables.rows_of(pl.DataFrame(columns), labels_RT, split_R)


def draw(seed: int, num_rows: int = 80) -> Rows:
    """Few users, items and days, a null in every twelfth value, and the splits mixed in time."""
    generator = np.random.default_rng(seed)

    def sometimes_null(values: list[Any]) -> list[Any]:
        return [
            None if generator.random() < 1 / 12 else values[place] for place in drawn(len(values))
        ]

    def drawn(end: int) -> NDArray[np.int64]:
        return generator.integers(end, size=num_rows)

    days = [date(2026, 2, 27) + timedelta(days=number) for number in range(6)]
    columns = {
        "user": pl.Series(sometimes_null(list(range(5))), dtype=pl.Int64),
        "item": pl.Series(sometimes_null(["a", "b", "c"]), dtype=pl.String),
        "price": pl.Series(sometimes_null([1.5, 2.5, float("nan")]), dtype=pl.Float64),
        "day": pl.Series(sometimes_null(days), dtype=pl.Date),
    }
    labels_RT = generator.random((num_rows, len(TASKS))) < (0.6, 0.2)
    return rows_of(columns, labels_RT, generator.choice(3, num_rows, p=(0.6, 0.2, 0.2)))


def reference(
    definition: StatisticsDefinition, rows: Rows, whole: str | None = None
) -> NDArray[np.float64]:
    """The rules, row by row against every other row."""
    counted_R = periods(definition, rows, whole)
    if definition.clock is None and rows.groups is not None:
        rows = rows.with_columns(pl.DataFrame({"group": rows.row_R[rows.groups.first_R]}))
        whole = "group"
        counted_R = (
            (uniform(rows.frame["group"].to_numpy(), FOLD_SEED) * definition.folds)
            .astype(int)
            .tolist()
        )
    period_R = list(zip(asked_periods(definition, rows, counted_R), counted_R, strict=True))
    unit_R = range(rows.num_rows) if whole is None else rows.frame[whole]
    keys_RK = [
        [key_of(rows, key, row) for key in definition.keys] for row in range(len(rows.frame))
    ]
    rows_expected = []
    for row, keys_K in enumerate(keys_RK):
        counted = [
            other
            for other in range(len(keys_RK))
            if may_count(definition, rows, period_R, (row, other))
        ]
        left_R = {other: left(definition, *period_R[row], period_R[other][1]) for other in counted}
        prior_T = weighted(rows, left_R).sum(axis=0) / max(sum(left_R.values()), 1e-300)
        scale = 1.0  # what every counted row stands for
        if definition.clock is None and rows.split_R[row] == TRAIN:
            scale = definition.folds / (definition.folds - 1)
        values: list[float] = []
        for place, key in enumerate(keys_K):
            same = [other for other in counted if key is not None and keys_RK[other][place] == key]
            left_S = {other: left_R[other] for other in same}
            rates_T = (
                scale * weighted(rows, left_S).sum(axis=0) + definition.smoothing * prior_T
            ) / (scale * sum(left_S.values()) + definition.smoothing) - prior_T
            num_known = len(same)
            if definition.clock is None and key is not None:
                num_known = sum(
                    keys_RK[other][place] == key and rows.split_R[other] == TRAIN
                    for other in range(len(keys_RK))
                    if unit_R[other] != unit_R[row] or rows.split_R[row] != TRAIN
                )
            values += [log(1 + num_known), *rates_T]
        rows_expected.append(values)
    return np.array(rows_expected)


def weighted(rows: Rows, left_R: dict[int, float]) -> NDArray[np.float64]:
    """The labels of some rows, each times what is left of it."""
    return rows.labels_RT[list(left_R)] * np.array(list(left_R.values()))[:, None]


def left(definition: StatisticsDefinition, period: Any, _: Any, other_period: Any) -> float:
    """What is left of a label of a period by the period that is asked for."""
    if definition.half_life is None:
        return 1.0
    days: float = (period - other_period).days
    return 0.5 ** (days / (definition.half_life.nanoseconds / 86_400e9))


def periods(definition: StatisticsDefinition, rows: Rows, whole: str | None) -> list[Any]:
    """The day of every row, or its fold."""
    key_R = rows.row_R if whole is None else keys_of_values(rows.frame[whole])(slice(None))
    folds_R = (uniform(key_R, FOLD_SEED) * definition.folds).astype(int)
    return folds_R.tolist() if definition.clock is None else rows.frame[definition.clock].to_list()


def asked_periods(definition: StatisticsDefinition, rows: Rows, period_R: list[Any]) -> list[Any]:
    """The period that the statistics of every row are as of: the first of its group."""
    if definition.clock is None or rows.groups is None:
        return period_R
    first_R = rows.groups.first_R.tolist()
    known: dict[int, list[Any]] = {}
    for first, period in zip(first_R, period_R, strict=True):
        known.setdefault(first, []).extend([] if period is None else [period])
    return [
        period if first < 0 else min(known[first], default=None)
        for first, period in zip(first_R, period_R, strict=True)
    ]


def may_count(
    definition: StatisticsDefinition,
    rows: Rows,
    period_R: list[tuple[Any, Any]],
    pair: tuple[int, int],
) -> bool:
    """Whether the first row may count the label of the second, by the periods asked and counted."""
    split, other_split = rows.split_R[list(pair)]
    (period, _), (_, other_period) = period_R[pair[0]], period_R[pair[1]]
    if definition.clock is None:
        return bool(other_split == TRAIN and (split != TRAIN or period != other_period))
    if definition.refresh == "never":
        is_allowed = other_split in ((TRAIN, VALID) if split == TEST else (TRAIN,))
    else:
        is_allowed = other_split <= split
    return (
        is_allowed
        and period is not None
        and other_period is not None
        and other_period < earliest_unknown(period, definition)
    )


def earliest_unknown(period: Any, definition: StatisticsDefinition) -> Any:
    """The first day, or hour, whose labels are not known when a period begins."""
    if definition.labels_after is None:
        return period
    late = timedelta(seconds=definition.labels_after.nanoseconds // 10**9)
    return period - (late if isinstance(period, date) else late // timedelta(hours=1))


def key_of(rows: Rows, key: tuple[str, ...], row: int) -> tuple[Any, ...] | None:
    values = tuple(rows.frame[column][row] for column in key)
    return None if any(value is None or value != value for value in values) else values  # noqa: PLR0124  NaN


def statistics_of(definition: StatisticsDefinition, rows: Rows) -> NDArray[np.float32]:
    return target_statistics(definition, rows, TASKS).to_numpy()


def with_flipped_labels(rows: Rows, chosen_R: NDArray[np.bool_]) -> Rows:
    assert chosen_R.any()
    return replace(rows, labels_RT=np.where(chosen_R[:, None], 1 - rows.labels_RT, rows.labels_RT))


@EVERY_WAY
@settings(max_examples=15)
@given(seed=st.integers(0, 10_000))
def test_every_value_is_that_of_a_loop_over_all_pairs_of_rows(
    definition: StatisticsDefinition, seed: int
) -> None:
    rows = draw(seed)
    assert_allclose(statistics_of(definition, rows), reference(definition, rows), atol=1e-6)


@given(seed=st.integers(0, 10_000))
def test_folds_of_whole_users_are_those_of_the_same_loop(seed: int) -> None:
    rows = draw(seed)
    users = rows.frame["user"].fill_null(-1)
    rows = replace(rows.with_columns(users.to_frame()), split_R=users.to_numpy() % 3)
    actual = target_statistics(BY_FOLD, rows, TASKS, whole="user").to_numpy()
    assert_allclose(actual, reference(BY_FOLD, rows, whole="user"), atol=1e-6)


@EVERY_WAY
@settings(max_examples=8)
@given(seed=st.integers(0, 10_000))
def test_rows_of_a_group_have_the_statistics_of_its_first_day(
    definition: StatisticsDefinition, seed: int
) -> None:
    rows = draw(seed)
    _, place, number_R = np.unique(
        np.random.default_rng(seed).integers(20, size=rows.num_rows),
        return_index=True,
        return_inverse=True,
    )
    first_R = place[number_R].astype(np.int32)
    rows = replace(rows, groups=RankGroups(first_R, as_of_first=True))
    assert_allclose(statistics_of(definition, rows), reference(definition, rows), atol=1e-6)


@EVERY_WAY
@settings(max_examples=8)
@given(seed=st.integers(0, 10_000))
def test_amounts_add_up_to_means_in_place_of_rates(
    definition: StatisticsDefinition, seed: int
) -> None:
    rows = draw(seed)
    amounts = np.random.default_rng(seed).choice([0.0, 0.25, 1.5, 40.0], rows.num_rows)
    labels_RT = np.stack([rows.labels_RT[:, 0], amounts], axis=1).astype(np.float32)
    rows = replace(rows, labels_RT=labels_RT, units={1: 12.5})
    assert_allclose(statistics_of(definition, rows), reference(definition, rows), atol=1e-4)


def test_a_key_with_the_mean_amount_has_exactly_the_mean() -> None:
    rows = rows_of({"user": ["a", "b"] * 30, "day": [1, 1] * 30}, [[0, 0]] * 60, [TRAIN] * 60)
    amounts = np.repeat(np.float32([1 / 3, 2 / 7, 1 / 9]), 20)
    labels_RT = np.stack([np.zeros(60, np.float32), amounts], axis=1)
    rows = replace(rows, labels_RT=labels_RT, units={1: 12.5})
    later = rows.frame.with_columns(day=pl.Series([1] * 40 + [2] * 20))
    rows = replace(rows, frame=later)
    actual = target_statistics(StatisticsDefinition(by=("user",), clock="day"), rows, TASKS)
    assert set(actual["user buy rate"]) == {0.0}


def test_a_key_is_named_by_its_columns_and_a_rate_by_its_task() -> None:
    definition = StatisticsDefinition(by=("user", ("user", "item")))
    names = ("user rows", "user click rate", "user buy rate")
    names += ("user x item rows", "user x item click rate", "user x item buy rate")
    assert statistic_names(definition, TASKS) == names
    assert tuple(target_statistics(definition, draw(0), TASKS).columns) == names


def test_a_rate_is_smoothed_by_rows_of_the_mean_rate() -> None:
    """Yesterday user a clicked 2 of 2 and user b 0 of 2: (2 + 2 * 1/2) / (2 + 2) - 1/2."""
    users, days = ["a", "a", "b", "b", "a", "b", "new"], [1, 1, 1, 1, 2, 2, 2]
    clicks = [1, 1, 0, 0, 0, 0, 0]
    rows = rows_of({"user": users, "day": days}, [[click, 0] for click in clicks], [TRAIN] * 7)
    actual = target_statistics(
        StatisticsDefinition(by=("user",), clock="day", smoothing=2.0), rows, TASKS
    )
    assert actual["user click rate"].to_list() == [0, 0, 0, 0, 0.25, -0.25, 0]


def test_folds_are_of_equal_size_within_the_training_rows_of_a_random_split() -> None:
    row_R = np.arange(20_000, dtype=np.uint64)
    train_R = uniform(row_R, 0) >= 0.3
    shares = np.bincount((uniform(row_R[train_R], FOLD_SEED) * 5).astype(int)) / train_R.sum()
    assert_allclose(shares, 0.2, atol=0.01)


def many_rows(split: dict[str, Any], folder: Path) -> tuple[pl.DataFrame, NDArray[np.uint8]]:
    """Statistics of 30,000 rows, and their splits; users and items have from no row to hundreds."""
    draw = np.random.default_rng(1)
    columns = {
        "place": ["home"] * 30_000,
        "user": (3_000 * draw.random(30_000) ** 2).astype(int),
        "item": (2_000 * draw.random(30_000) ** 2).astype(int),
        "click": draw.integers(0, 2, 30_000),
    }
    tables.write(pl.DataFrame(columns), folder)
    by = ["user", "item", ["user", "item"]]
    definition = tables.definition(
        tasks={"click": {"column": "click"}},
        features={"categorical": ["user"], "statistics": {"by": by}},
        split=split,
        time=None,
    )
    rows = read_rows(definition, folder, folder)
    return derive_numbers(definition, rows)["statistics"], rows.split_R


@pytest.mark.parametrize("by", ["random", "user"])
def test_numbers_of_rows_are_distributed_alike_in_all_splits(by: str, tmp_path: Path) -> None:
    """The smallest distance that 4,000 rows of validation show at 0.001 is 0.033."""
    table, split_R = many_rows({"by": by, "valid": 0.15, "test": 0.15}, tmp_path)
    for name in ("user rows", "item rows", "user x item rows"):
        train_R, *others = (table[name].filter(split_R == split) for split in (TRAIN, VALID, TEST))
        for other_R in others:
            assert ks_2samp(train_R, other_R).statistic <= 0.05, name


@EVERY_WAY
def test_a_key_that_all_rows_share_has_exactly_the_mean_rate(
    definition: StatisticsDefinition,
) -> None:
    rows = draw(12, num_rows=300)
    shared = replace(rows, frame=rows.frame.with_columns(user=pl.lit("everyone")))
    actual = target_statistics(definition.model_copy(update={"by": ("user",)}), shared, TASKS)
    assert not actual.select("user click rate", "user buy rate").to_numpy().any()
    assert actual["user rows"].to_numpy().any()


@EVERY_WAY
def test_a_column_that_is_null_in_every_row_has_no_statistics(
    definition: StatisticsDefinition,
) -> None:
    rows = draw(13)
    empty = replace(rows, frame=rows.frame.with_columns(user=pl.lit(None)))
    assert not statistics_of(definition.model_copy(update={"by": ("user",)}), empty).any()
