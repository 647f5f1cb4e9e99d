"""Counts: stored counts give test rows and later rows the statistics that training gave."""

from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_statistics import BY_DAY, EVERY_WAY, TASKS, TEST, TRAIN, VALID, draw, rows_of

from hinet_search.data.derived.label_counts import label_counts, later_values
from hinet_search.data.derived.statistics import statistic_names, target_statistics
from hinet_search.study.statistics_definition import StatisticsDefinition


@EVERY_WAY
@given(seed=st.integers(0, 10_000))
def test_rows_of_test_get_from_the_counts_exactly_what_they_have(
    definition: StatisticsDefinition, seed: int
) -> None:
    rows = draw(seed)
    is_test = rows.split_R == TEST
    expected = target_statistics(definition, rows, TASKS).filter(is_test)
    actual = later_values(
        label_counts(definition, rows), definition, rows.frame.filter(is_test), TASKS
    )
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
