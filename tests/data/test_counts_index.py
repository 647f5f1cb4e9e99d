"""Counts index: it finds what a join of the tables finds, for any keys and days."""

from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from test_statistics import BY_DAY, EVERY_WAY, TASKS, draw

from hinet_search.data.derived.countable_labels import EVERYONE, key_columns
from hinet_search.data.derived.label_counts import (
    DAY,
    LabelCounts,
    counts_index,
    label_counts,
    later_values,
)
from hinet_search.data.encode import known_values
from hinet_search.study.statistics_definition import StatisticsDefinition

ROW = "row"


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
