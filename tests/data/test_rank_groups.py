"""Groups that a ranking orders: which rows are in one, and that all of them know what its first row knows."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from hinet_search.data.derived.event_log import NO_TIME
from hinet_search.data.derived.rank_groups import count_groups, rank_groups
from hinet_search.data.rows import RankGroups
from hinet_search.study.task_definition import RankDefinition
from tests.data.event_tables import PlainRow, RandomLog, plain_rows
from tests.data.sequence_tables import sequences_of_log
from tests.data.test_events import assert_as_in_a_loop

VISITS = RankDefinition.model_validate({"visit": "4s"})
REQUESTS = RankDefinition(group=("tab",))
DEFINITIONS = pytest.mark.parametrize("definition", [VISITS, REQUESTS], ids=["visits", "requests"])


def groups_of(definition: RankDefinition, log: RandomLog) -> RankGroups:
    return rank_groups(definition, log.rows, "user", log.moments)


def plain_first(definition: RankDefinition, log: RandomLog) -> NDArray[np.int32]:
    """The first row of every row's group, going back from the row."""
    plain = plain_rows(log, ("user", *(definition.group or ())))
    return np.array([_first(definition, plain, row) for row in plain], dtype=np.int32)


def _first(definition: RankDefinition, plain: list[PlainRow], row: PlainRow) -> int:
    if row.key is None or row.time == NO_TIME:
        return -1
    of_key = [each for each in plain if each.key == row.key and each.time != NO_TIME]
    of_key.sort(key=lambda each: (each.time, each.number))
    first = row
    for earlier in reversed(of_key[: of_key.index(row)]):
        if definition.visit is not None and first.time - earlier.time > definition.visit.number:
            break
        first = earlier
    return plain.index(first)


@DEFINITIONS
def test_a_group_is_named_by_its_first_row(definition: RankDefinition) -> None:
    for seed in range(80):
        log = sequences_of_log(seed).log
        found_R = groups_of(definition, log).first_R
        assert_array_equal(found_R, plain_first(definition, log), err_msg=f"seed {seed}")


@DEFINITIONS
def test_rows_of_a_group_know_what_its_first_row_knows(definition: RankDefinition) -> None:
    for seed in range(80):
        made = sequences_of_log(seed)
        time_R = made.log.moments.time_R
        first_R = plain_first(definition, made.log)
        as_of_R = np.where(first_R < 0, time_R, time_R[first_R])
        log = replace(made.log, moments=replace(made.log.moments, as_of_R=as_of_R))
        assert_as_in_a_loop(replace(made, log=log), seed)


def test_without_times_the_first_row_is_that_of_the_table() -> None:
    log = sequences_of_log(1).log
    frame = pl.DataFrame({"user": [2, 2, None, 1, 2], "tab": ["a", "b", "a", "a", "a"]})
    rows = replace(log.rows, frame=frame)
    groups = rank_groups(REQUESTS, rows, "user", None)
    assert groups.first_R.tolist() == [0, 1, -1, 3, 0]
    assert rank_groups(REQUESTS, rows, None, None).first_R.tolist() == [0, 1, 0, 0, 0]


def test_groups_of_test_are_counted_by_task_each_scenario_for_itself() -> None:
    """Rows of train, of no group, and of a scenario without the task do not count."""
    log = sequences_of_log(1).log
    frame = pl.DataFrame({"user": [1, 1, 1, 1, 2, 2, None, 3], "tab": ["a"] * 8})
    rows = replace(
        log.rows,
        frame=frame,
        scenarios=("Home", "Push"),
        scenario_R=np.array([0, 0, 1, 1, 0, 0, 0, 0], np.int16),
        labels_RT=np.array(
            [[0, 1], [1, 1], [0, 0], [0, 1], [1, 0], [1, 0], [1, 1], [0, 1]], np.uint8
        ),
        split_R=np.array([2, 2, 2, 2, 2, 2, 2, 0], np.uint8),
        has_task_MT=np.array([[True, True], [True, False]]),
        units={},
    )
    rows = replace(rows, groups=rank_groups(REQUESTS, rows, "user", None))
    click, order = count_groups(rows, ("click", "order"))
    assert click.in_words == ("click: 1 of 3 groups have both labels: they hold 29 % of the rows")
    assert (order.groups, order.differing, order.share) == (2, 0, 0.0)
    assert count_groups(replace(rows, groups=None), ("click", "order")) == ()
