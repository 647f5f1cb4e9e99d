"""Later counts: labels that come in any order and in any parts count as in one table."""

from collections.abc import Sequence
from dataclasses import replace
from math import nan
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from tables import some
from test_statistics import EVERY_NIGHT, LATE, TASKS, TEST, draw

from hinet_search.data.derived.countable_labels import EVERYONE, MOST_PARTS, sum_of
from hinet_search.data.derived.days import BEFORE_ALL, numbers_of, value_of
from hinet_search.data.derived.label_counts import label_counts, later_values
from hinet_search.data.derived.later_counts import LaterCounts, later_counts
from hinet_search.data.derived.statistics import target_statistics
from hinet_search.data.rows import Rows
from hinet_search.study.statistics_definition import StatisticsDefinition

REFRESHED = pytest.mark.parametrize("definition", [EVERY_NIGHT, LATE])
SEEDS = st.integers(0, 10_000)
NUM_BEFORE = 30


def of_kinds(seed: int) -> Rows:
    """Rows of test, with an amount, and a task that one of two scenarios lacks."""
    rows = draw(seed)
    draws = np.random.default_rng(seed)
    scenario_R = draws.integers(2, size=rows.num_rows).astype(np.int16)
    has_task_MT = np.array([[True, True], [True, False]])
    label_RT = rows.labels_RT * draws.integers(1, 9, rows.labels_RT.shape) / (1, 8)
    label_RT[:, 0] = rows.labels_RT[:, 0]
    return replace(
        rows,
        scenarios=("home", "push"),
        scenario_R=scenario_R,
        labels_RT=(label_RT * has_task_MT[scenario_R]).astype(np.float32),
        has_task_MT=has_task_MT,
        split_R=np.full(rows.num_rows, TEST, dtype=np.uint8),
        units={1: 2.0},
    )


def values(counts: LaterCounts, definition: StatisticsDefinition, rows: Rows) -> Any:
    return later_values(counts, definition, rows.frame, TASKS).T


@REFRESHED
@settings(max_examples=15)
@given(seed=SEEDS)
def test_labels_in_any_order_and_in_parts_count_as_in_one_table(
    definition: StatisticsDefinition, seed: int
) -> None:
    rows = of_kinds(seed)
    draws = np.random.default_rng(seed)
    order = draws.permutation(rows.num_rows)
    before = label_counts(definition, some(rows, order[:NUM_BEFORE]))
    counts = later_counts(before, definition, len(TASKS))
    stored = known = NUM_BEFORE
    while known < rows.num_rows:
        num_rows = int(draws.integers(1, 12))
        counts = counts.with_later(some(rows, order[known : known + num_rows]))
        known = min(known + num_rows, rows.num_rows)
        if draws.random() < 0.3:
            counts = counts.folded(some(rows, order[stored:known]))
            stored = known
        expected = label_counts(definition, some(rows, order[:known]))
        asked = later_values(expected, definition, rows.frame, TASKS).T
        assert_array_equal(values(counts, definition, rows), asked)
    table = target_statistics(definition, rows, TASKS).to_numpy()
    assert_array_equal(values(counts, definition, rows), table)


def test_the_last_days_with_a_label_are_open_as_many_more_as_labels_are_late() -> None:
    rows = of_kinds(1)
    days = numbers_of(rows.frame["day"])
    last = np.unique(days)
    for definition, num_open in ((EVERY_NIGHT, 2), (LATE, 4)):
        nothing = label_counts(definition, some(rows, slice(0)))
        counts = later_counts(nothing, definition, len(TASKS))
        assert (counts.last_period, counts.first_open) == (BEFORE_ALL, BEFORE_ALL)
        first_open = BEFORE_ALL
        for start in range(0, rows.num_rows, 10):
            counts = counts.with_later(some(rows, slice(start, start + 10)))
            assert counts.first_open >= first_open
            first_open = counts.first_open
        assert (counts.last_period, first_open) == (last[-1], last[-num_open])
        folded = counts.folded(rows)
        assert (folded.last_period, folded.first_open) == (last[-1], first_open)


@given(numbers=st.lists(st.floats(), min_size=1))
def test_numbers_of_floats_are_in_their_order(numbers: Sequence[float]) -> None:
    known = sorted(number for number in numbers if number == number)  # noqa: PLR0124  no NaN
    found = numbers_of(pl.Series([nan, *known], dtype=pl.Float64))
    assert found[0] == BEFORE_ALL
    assert np.unique(found[1:]).size == len({*known})
    assert found[1:].tolist() == sorted(found[1:].tolist())
    assert [value_of(number, pl.Float64()) for number in found[1:].tolist()] == known


def test_sums_of_amounts_stay_at_the_largest_that_a_state_may_have() -> None:
    rows = of_kinds(2)
    largest = replace(rows, labels_RT=np.full((rows.num_rows, 2), (1, 1e9), dtype=np.float32))
    counts = later_counts(label_counts(EVERY_NIGHT, largest), EVERY_NIGHT, len(TASKS))
    some_requests = some(largest, np.tile(np.arange(rows.num_rows), 100))
    for _ in range(20):
        counts = counts.folded(some_requests)
    table = counts.counts.of_keys[EVERYONE]
    assert table[sum_of(1)].max() == MOST_PARTS
    assert all(each[sum_of(1)].min() > 0 for each in counts.counts.of_keys.values())
    assert np.isfinite(values(counts, EVERY_NIGHT, rows)).all()
