"""Log size: what an export keeps of a log at most, before there is one.

Numbers, moments and ids have eight bytes each, so that texts of ids may need more, and files, which
are compressed, need less.

Legend: R rows, N number of rows.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from hinet_search.data.derived.added_up import VISIT
from hinet_search.data.derived.log_state import LATE
from hinet_search.data.derived.moments import NO_TIME, Moments
from hinet_search.data.rows import Rows
from hinet_search.study.event_definition import TimeSpan
from hinet_search.study.log_definition import LogDefinition

BYTES = 8  # of a number
OF_ROW = 3  # number, scenario and moment, beside columns and labels


def log_bytes(definition: LogDefinition, rows: Rows, moments: Moments, num_tasks: int) -> int:
    """The bytes of the state of a log after all rows, at most: what `log_state_of` makes."""
    events = definition.events
    words_of_row = OF_ROW + len(definition.columns) + num_tasks
    words = _num_recent(definition, moments) * words_of_row
    if events is not None:
        # Of a value of a key: rows and last time; of a task labels, their sum and the last ones.
        knows_labels = isinstance(events.labels_after, TimeSpan)
        of_value = 2 + knows_labels * num_tasks * (2 + events.last)
        words += sum(_num_values(rows, key) * (len(key) + of_value) for key in events.keys)
    if definition.session is not None:
        words += _num_values(rows, [definition.user]) * (1 + len(VISIT))
    for sequence in definition.sequences.values():
        of_key = rows.frame.lazy().group_by(sequence.key).len(name="N")
        shown = of_key.select(pl.col("N").clip(upper_bound=sequence.length).cast(pl.Int64).sum())
        words += int(shown.collect(engine="streaming").item()) * words_of_row
    return BYTES * words


def _num_recent(definition: LogDefinition, moments: Moments) -> int:
    """The number of rows that a window may still lose, or whose label may not be known yet."""
    spans: list[TimeSpan] = [LATE]
    if definition.events is not None:
        windows = [each for each in definition.events.windows if isinstance(each, TimeSpan)]
        spans += sorted(windows, key=lambda window: window.nanoseconds)[-1:]
        after = definition.events.labels_after
        if isinstance(after, TimeSpan):
            spans.append(after)
    known_R = moments.time_R != NO_TIME
    first = int(moments.time_R.max(initial=NO_TIME)) - sum(map(moments.units, spans))
    return int(np.count_nonzero(known_R & (moments.time_R >= first)))


def _num_values(rows: Rows, key: Sequence[str]) -> int:
    """The number of different values of a key."""
    distinct = rows.frame.lazy().select(key).unique().select(pl.len())
    return int(distinct.collect(engine="streaming").item())
