"""Added up: sums that a sender makes too large stay readable."""

import polars as pl

from hinet_search.data.derived.added_up import LAST_TIME, NUM_ROWS, merged, of_task
from hinet_search.data.derived.countable_labels import MOST_PARTS, key_columns
from hinet_search.study.event_definition import EventsDefinition, TimeSpan

EVENTS = EventsDefinition(by=("user",), labels_after=TimeSpan(0, "s"), last=1)


def table(*, total: int, last_time: int) -> pl.DataFrame:
    """One row of user 7 with an amount."""
    (user,) = key_columns(("user",))
    num, amount, last = of_task(0)
    columns = {user: [7], NUM_ROWS: [1], LAST_TIME: [last_time], num: [1], amount: [total]}
    return pl.DataFrame({**columns, last: [[total]]})


def test_a_sum_of_amounts_grows_to_its_limit_and_stays_there() -> None:
    largest = MOST_PARTS - 1
    both = merged(EVENTS, 1, table(total=5, last_time=2), table(total=largest, last_time=1))
    again = merged(EVENTS, 1, table(total=largest, last_time=3), both)
    _, amount, _ = of_task(0)
    assert both[amount].to_list() == again[amount].to_list() == [MOST_PARTS]
    assert again[NUM_ROWS].to_list() == [3]
    assert again[LAST_TIME].to_list() == [3]
