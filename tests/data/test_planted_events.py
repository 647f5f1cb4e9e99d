"""Planted outcomes: what no row may see says nothing in any input of events and sessions.

Labels are drawn by chance for every pair of rows of a user, so a row's label is known from its
partner alone, whose moment decides whether the row may see it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from hinet_search.data.derived.event_log import Moments
from hinet_search.data.derived.events import event_inputs, session_inputs
from hinet_search.data.rows import Rows
from hinet_search.study.event_definition import EventsDefinition, SessionDefinition, TimeSpan

NUM_PAIRS, NUM_USERS, DAYS = 60_000, 3_000, 30
HOUR, DAY = 3_600, 86_400
LARGEST = 0.01  # distance of an AUC from .5
KEYS = ("user", ("user", "item"), "item")


@dataclass(frozen=True)
class Pairs:
    """Pairs of rows with the same label, user and item: the first rows, then the second ones."""

    frame: pl.DataFrame
    label_R: NDArray[np.uint8]
    time_R: NDArray[np.int64]


def pairs(seconds_between: int) -> Pairs:
    draw = np.random.default_rng(seconds_between)
    user, item = draw.integers(NUM_USERS, size=NUM_PAIRS), draw.integers(50, size=NUM_PAIRS)
    label = (draw.random(NUM_PAIRS) < 0.4).astype(np.uint8)
    first = draw.integers(DAYS * DAY, size=NUM_PAIRS)
    frame = pl.DataFrame({"user": np.tile(user, 2), "item": np.tile(item, 2)})
    return Pairs(frame, np.tile(label, 2), np.concatenate([first, first + seconds_between]))


def inputs(planted: Pairs, labels_after: str) -> pl.DataFrame:
    """All inputs of events and sessions; the splits are in the order of time."""
    num_rows = len(planted.frame)
    rows = Rows(
        frame=planted.frame,
        row_R=np.arange(num_rows, dtype=np.uint64),
        scenarios=("all",),
        scenario_R=np.zeros(num_rows, dtype=np.int16),
        labels_RT=planted.label_R[:, None],
        has_task_MT=np.ones((1, 1), dtype=np.bool_),
        split_R=np.digitize(planted.time_R, [20 * DAY, 25 * DAY]).astype(np.uint8),
        truth_RT=None,
        notes=(),
    )
    definition: dict[str, Any] = {"windows": ["2h", "1d", "all"], "last": 2}
    events = EventsDefinition.model_validate(
        {"by": KEYS, "labels_after": labels_after, **definition}
    )
    moments = Moments(planted.time_R, "s")
    session = session_inputs(SessionDefinition(gap=TimeSpan(30, "m")), rows, "user", moments)
    return event_inputs(events, rows, ("click",), moments).hstack(session)


def distances(planted: Pairs, values: pl.DataFrame, rows: slice) -> dict[str, float]:
    """How far the AUC of every input is from .5, among some of the rows."""
    label_R = planted.label_R[rows]
    return {
        column.name: abs(float(roc_auc_score(label_R, column[rows].to_numpy())) - 0.5)
        for column in values
    }


FIRST, ALL = slice(0, NUM_PAIRS), slice(0, 2 * NUM_PAIRS)


@pytest.mark.parametrize(
    ("kind", "seconds_between", "labels_after", "rows"),
    [
        ("the same row", 3 * HOUR, "0s", FIRST),
        ("the same moment", 0, "0s", ALL),
        ("the future", 1, "0s", FIRST),
        ("a label that is not known yet", HOUR, "1h", ALL),
    ],
)
def test_what_a_row_may_not_see_says_nothing(
    kind: str, seconds_between: int, labels_after: str, rows: slice
) -> None:
    planted = pairs(seconds_between)
    apart = distances(planted, inputs(planted, labels_after), rows)
    assert max(apart.values()) < LARGEST, f"{kind}: {apart}"


def test_the_same_label_says_much_as_soon_as_it_is_known() -> None:
    planted = pairs(HOUR + 1)
    apart = distances(planted, inputs(planted, "1h"), slice(NUM_PAIRS, 2 * NUM_PAIRS))
    assert apart["user click last 1"] > 0.3
    assert apart["user x item click rate 2h"] > 0.3
