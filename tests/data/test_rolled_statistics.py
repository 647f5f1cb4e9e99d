"""Rolled statistics: newer rows count as rows of one study do, and counts continue without a seam."""

from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from test_statistics import (
    BY_DAY,
    BY_FOLD,
    EVERY_NIGHT,
    EVERY_WAY,
    FOLD_SEED,
    LATE,
    LATE_AND_FROZEN,
    TASKS,
    TEST,
    TRAIN,
    VALID,
    draw,
)

from hinet_search.data.derived.label_counts import (
    label_counts,
    later_values,
    newer_statistics,
    rolled_counts,
)
from hinet_search.data.derived.statistics import statistic_names, target_statistics
from hinet_search.data.hashing import uniform
from hinet_search.data.rows import Rows
from hinet_search.study.statistics_definition import StatisticsDefinition

SEEDS = st.integers(0, 10_000)
FEW = settings(max_examples=15)
UNREFRESHED = pytest.mark.parametrize("definition", [BY_DAY, BY_FOLD, LATE_AND_FROZEN])
NUM_BEFORE = 50  # of the rows that are drawn; the others are newer


def some(rows: Rows, which: slice | NDArray[np.intp]) -> Rows:
    return replace(
        rows,
        frame=rows.frame[which],
        row_R=rows.row_R[which],
        scenario_R=rows.scenario_R[which],
        labels_RT=rows.labels_RT[which],
        split_R=rows.split_R[which],
    )


def before_and_newer(seed: int) -> tuple[Rows, Rows, Rows]:
    """All rows, those of a study, and newer ones: learned from or held out, days mixed."""
    rows = draw(seed)
    split_R = np.where(rows.split_R == TEST, VALID, rows.split_R)
    split_R[:NUM_BEFORE] = TRAIN
    rows = replace(rows, split_R=split_R)
    return rows, some(rows, slice(NUM_BEFORE)), some(rows, slice(NUM_BEFORE, None))


def statistics(definition: StatisticsDefinition, before: Rows, newer: Rows) -> NDArray[np.float32]:
    counts = label_counts(definition, before)
    return newer_statistics(counts, definition, newer, TASKS).to_numpy()


@FEW
@given(seed=SEEDS)
def test_with_a_clock_newer_rows_get_what_they_get_in_one_study_with_the_earlier(seed: int) -> None:
    rows, before, newer = before_and_newer(seed)
    expected = target_statistics(BY_DAY, rows, TASKS).to_numpy()[NUM_BEFORE:]
    np.testing.assert_array_equal(statistics(BY_DAY, before, newer), expected)


REFRESHED = pytest.mark.parametrize("definition", [EVERY_NIGHT, LATE])


def of_earlier_days_and_later(seed: int) -> tuple[Rows, Rows, Rows]:
    """All rows, those of the first four days, and those of the others or of no day."""
    rows = draw(seed)
    rows = replace(rows, split_R=np.where(rows.split_R == TEST, VALID, rows.split_R))
    is_early = (rows.frame["day"] < date(2026, 3, 3)).fill_null(value=False).to_numpy()
    rows = replace(rows, split_R=np.where(is_early, TRAIN, rows.split_R))
    return rows, where(rows, is_early), where(rows, ~is_early)


def where(rows: Rows, chosen_R: NDArray[np.bool_]) -> Rows:
    return some(rows, np.flatnonzero(chosen_R))


@REFRESHED
@FEW
@given(seed=SEEDS)
def test_refreshed_statistics_of_later_days_are_those_of_one_study_with_the_earlier(
    definition: StatisticsDefinition, seed: int
) -> None:
    rows, before, newer = of_earlier_days_and_later(seed)
    expected = target_statistics(definition, rows, TASKS).to_numpy()
    is_later_R = np.isin(rows.row_R, newer.row_R)
    np.testing.assert_array_equal(statistics(definition, before, newer), expected[is_later_R])


@REFRESHED
@FEW
@given(seed=SEEDS)
def test_refreshed_counts_take_rows_once_though_they_come_twice(
    definition: StatisticsDefinition, seed: int
) -> None:
    rows, before, newer = of_earlier_days_and_later(seed)
    counts = rolled_counts(label_counts(definition, before), definition, newer)
    once = label_counts(definition, rows)
    for repeated in (newer, rows, before):
        counts = rolled_counts(counts, definition, repeated)
    assert counts.days.equals(once.days)
    for key, table in once.of_keys.items():
        assert counts.of_keys[key].equals(table), key


@REFRESHED
def test_a_row_of_a_counted_day_gets_what_it_got(definition: StatisticsDefinition) -> None:
    rows, _, newer = of_earlier_days_and_later(3)
    expected = target_statistics(definition, rows, TASKS).to_numpy()
    is_latest_R = np.isin(rows.row_R, newer.row_R) & (rows.split_R == VALID)
    again = statistics(definition, rows, where(rows, is_latest_R))
    np.testing.assert_array_equal(again, expected[is_latest_R])


@FEW
@given(seed=SEEDS)
def test_without_a_clock_held_out_rows_count_all_labels_that_are_learned_from(seed: int) -> None:
    rows, before, newer = before_and_newer(seed)
    expected = target_statistics(BY_FOLD, rows, TASKS).to_numpy()[NUM_BEFORE:]
    is_held_out = newer.split_R == VALID
    np.testing.assert_array_equal(
        statistics(BY_FOLD, before, newer)[is_held_out], expected[is_held_out]
    )


def test_without_a_clock_a_newer_row_counts_all_earlier_ones_and_those_of_other_folds() -> None:
    _, before, newer = before_and_newer(1)
    fold_R = (uniform(newer.row_R, FOLD_SEED) * BY_FOLD.folds).astype(int)
    users = newer.frame["user"].to_list()
    actual = newer_statistics(label_counts(BY_FOLD, before), BY_FOLD, newer, TASKS)["user rows"]
    for row, user in enumerate(users):
        if user is None or newer.split_R[row] != TRAIN:
            continue
        is_other_R = (newer.split_R == TRAIN) & (fold_R != fold_R[row])
        others = sum(other == user for other in np.array(users)[is_other_R])
        count = (before.frame["user"] == user).sum() + others
        assert actual[row] == pytest.approx(np.log1p(count), rel=1e-6)


@EVERY_WAY
@FEW
@given(seed=SEEDS, row=st.integers(0, 29))
def test_no_row_counts_its_own_label(definition: StatisticsDefinition, seed: int, row: int) -> None:
    _, before, newer = before_and_newer(seed)
    labels_RT = newer.labels_RT.copy()
    labels_RT[row] = 1 - labels_RT[row]
    turned = replace(newer, labels_RT=labels_RT)
    np.testing.assert_array_equal(
        statistics(definition, before, newer)[row], statistics(definition, before, turned)[row]
    )


@UNREFRESHED
@FEW
@given(seed=SEEDS)
def test_counts_continued_twice_are_those_of_all_rows_at_once(
    definition: StatisticsDefinition, seed: int
) -> None:
    rows, before, newer = before_and_newer(seed)
    parts = [some(newer, slice(12)), some(newer, slice(12, None))]
    counts = label_counts(definition, before)
    for part in parts:
        counts = rolled_counts(counts, definition, part)
    expected = label_counts(definition, rows)
    assert counts.days.equals(expected.days)
    for key, table in expected.of_keys.items():
        assert counts.of_keys[key].equals(table), key


def test_a_row_after_all_days_counts_every_label() -> None:
    rows, before, newer = before_and_newer(5)
    counts = rolled_counts(label_counts(BY_DAY, before), BY_DAY, newer)
    new = rows.frame.with_columns(day=pl.lit(date(2027, 1, 1)))
    place = statistic_names(BY_DAY, TASKS).index("user rows")
    told = later_values(counts, BY_DAY, new, TASKS)[place]
    has_day = rows.frame["day"].is_not_null()
    for row, user in enumerate(rows.frame["user"]):
        count = 0 if user is None else ((rows.frame["user"] == user) & has_day).sum()
        assert told[row] == pytest.approx(np.log1p(count), rel=1e-6)
