"""Label counts: what was counted gives test rows and later rows the statistics that training gave.

Counts are found by an index as by a join, and are continued with newer rows without a seam.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from tables import some
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
    rows_of,
)

from hinet_search.data.derived.countable_labels import EVERYONE, key_columns
from hinet_search.data.derived.label_counts import (
    DAY,
    LabelCounts,
    counts_index,
    label_counts,
    later_values,
    newer_statistics,
    rolled_counts,
)
from hinet_search.data.derived.statistics import statistic_names, target_statistics
from hinet_search.data.hashing import uniform
from hinet_search.data.raw_values import known_values
from hinet_search.data.rows import Rows
from hinet_search.study.statistics_definition import StatisticsDefinition

ROW = "row"
SEEDS = st.integers(0, 10_000)
FEW = settings(max_examples=15)
UNREFRESHED = pytest.mark.parametrize("definition", [BY_DAY, BY_FOLD, LATE_AND_FROZEN])
NUM_BEFORE = 50  # of the rows that are drawn; the others are newer


@EVERY_WAY
@given(seed=st.integers(0, 10_000))
def test_rows_of_test_get_from_the_counts_exactly_what_they_have(
    definition: StatisticsDefinition, seed: int
) -> None:
    rows = draw(seed)
    is_test = rows.split_R == TEST
    expected = target_statistics(definition, rows, TASKS).filter(is_test)
    counts = label_counts(definition, rows)
    actual = later_values(counts, definition, rows.frame.filter(is_test), TASKS)
    assert np.array_equal(actual.T, expected.to_numpy())


def test_a_row_after_the_last_day_counts_every_label_of_train_and_valid() -> None:
    columns = {"user": [1, 1, 1, 2], "day": [1, 2, 3, 3]}
    rows = rows_of(columns, [[1, 0], [1, 1], [1, 0], [0, 0]], [TRAIN, VALID, TEST, TRAIN])
    definition = StatisticsDefinition(by=("user",), clock="day", smoothing=2.0)
    new = pl.DataFrame({"user": [1, 2, 3], "day": [9, 9, 9]})
    values = later_values(label_counts(definition, rows), definition, new, TASKS)
    actual = dict(zip(statistic_names(definition, TASKS), values, strict=True))
    assert np.allclose(actual["user rows"], np.log1p([2, 1, 0]))
    assert actual["user click rate"].tolist() == pytest.approx(
        [(2 + 2 * 2 / 3) / 4 - 2 / 3, 2 * 2 / 3 / 3 - 2 / 3, 0]
    )


def test_labels_of_test_are_in_no_count() -> None:
    rows = draw(3)
    turned = replace(
        rows,
        labels_RT=np.where((rows.split_R == TEST)[:, None], 1 - rows.labels_RT, rows.labels_RT),
    )
    counts, other = label_counts(BY_DAY, rows), label_counts(BY_DAY, turned)
    assert all(counts.of_keys[key].equals(other.of_keys[key]) for key in counts.of_keys)


def test_a_row_without_a_day_or_a_key_has_nothing() -> None:
    rows = draw(0)
    new = pl.DataFrame(
        {
            "user": [None, 1],
            "item": [None, "a"],
            "price": [float("nan"), 1.5],
            "day": [date(2026, 3, 9), None],
        },
        schema={name: rows.frame.schema[name] for name in ("user", "item", "price", "day")},
    )
    assert (later_values(label_counts(BY_DAY, rows), BY_DAY, new, TASKS) == 0).all()


def joined(counts: LabelCounts, key: Sequence[str], rows: pl.DataFrame, last: pl.Series) -> object:
    """What every row may count of a key, by a join."""
    by = list(key_columns(key))
    columns = [known_values(rows[name]).alias(new) for name, new in zip(key, by, strict=True)]
    asked = pl.DataFrame([last.alias(DAY), *columns]).with_row_index(ROW)
    table = counts.of_keys[tuple(key)]
    latest = (
        asked.drop_nulls(by)
        .sort(DAY)
        .join_asof(table, on=DAY, by=by, strategy="backward", check_sortedness=False)
    )
    found = asked.select(ROW).join(latest, on=ROW, how="left", maintain_order="left")
    return found.select(pl.col(counts.quantities).fill_null(0)).to_numpy()


@given(seed=st.integers(0, 10_000), unseen=st.integers(0, 3))
def test_an_index_finds_what_a_join_finds(seed: int, unseen: int) -> None:
    rows = draw(seed)
    counts = label_counts(BY_DAY, rows)
    later = draw(seed + 1, num_rows=30).frame.with_columns(pl.col("user") + unseen)
    last = pl.Series(np.random.default_rng(seed).integers(-1, len(counts.days), 30))
    found = counts.index.of_keys(later, last.to_numpy())
    for number, key in enumerate(BY_DAY.keys):
        expected = joined(counts, key, later, last)
        of_key = counts.index.of_key(key, later, last.to_numpy())
        assert_array_equal(
            np.array([found[name][number] for name in counts.quantities]).T, expected
        )
        assert_array_equal(np.array([of_key[name] for name in counts.quantities]).T, expected)


def test_an_index_of_empty_tables_finds_nothing() -> None:
    counts = label_counts(BY_DAY, draw(0))
    empty = {key: table.clear() for key, table in counts.of_keys.items() if key != EVERYONE}
    index = counts_index(empty, DAY, 0, counts.quantities)
    rows = draw(1).frame
    found = index.of_keys(rows, np.full(len(rows), -1))
    assert all((number_KR == 0).all() for number_KR in found.values())


@EVERY_WAY
def test_blocks_of_rows_have_the_statistics_of_all_rows_at_once(
    definition: StatisticsDefinition, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = draw(5)
    counts = label_counts(definition, rows)
    whole = later_values(counts, definition, rows.frame, TASKS)
    monkeypatch.setattr("hinet_search.data.derived.label_counts.ROWS_AT_ONCE", 7)
    in_blocks = later_values(counts, definition, rows.frame, TASKS)
    assert_array_equal(in_blocks, whole)


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
