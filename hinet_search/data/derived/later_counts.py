"""Later counts: labels that come one by one after others were counted, and count with them.

A row may count them as it counts those of the study: labels of strictly earlier days (or hours),
less their delay. They are found by the hashes of their keys, and are added to the counts now and
then; a row that asks gets the same whole numbers before and after.

Shape legend: R rows, K keys, A pairs of a key and a row.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from hinet_search.data.derived.countable_labels import ROWS, positives_of, rows_of, sum_of
from hinet_search.data.derived.days import BEFORE_ALL, first_unknown, numbers_of, periods_of
from hinet_search.data.derived.earlier_rows import EarlierRows, Horizons
from hinet_search.data.derived.event_log import Integers
from hinet_search.data.derived.key_hashes import Hashes, key_hashes
from hinet_search.data.derived.keyed_log import (
    Asked,
    LoggedRows,
    earlier_of_parts,
    hashed_rows,
    no_rows,
)
from hinet_search.data.derived.label_counts import CountedLabels, LabelCounts, added_counts
from hinet_search.data.derived.pending_rows import PendingRows, nothing_pending
from hinet_search.data.rows import Rows
from hinet_search.study.statistics_definition import StatisticsDefinition

OF_ALL = np.uint64(1)  # the hash of the key that every row has
ALL_EARLIER = Horizons({}, rows_W=(None,), labels_W=(None,), delay=0)


@dataclass(frozen=True)
class LaterCounts:
    """Counts, and rows with labels that came since.

    The moment of a pending row is the number of its day (or hour). Its last key is one that every
    row has.
    """

    counts: LabelCounts
    definition: StatisticsDefinition
    pending: PendingRows

    @property
    def clock(self) -> str:
        """The column of days."""
        assert self.definition.clock is not None, "nothing is counted anew without one"
        return self.definition.clock

    def with_later(self, rows: Rows) -> "LaterCounts":
        """These counts with further rows that have labels."""
        if not rows.num_rows:
            return self
        return replace(self, pending=self.pending.with_later(_logged(self.definition, rows)))

    def folded(self, rows: Rows) -> "LaterCounts":
        """The counts with rows that have labels added for good, with their index, and no others."""
        counts = self.counts
        if rows.num_rows:
            counts = added_counts(counts, self.definition, rows)
            _ = counts.index
        nothing = nothing_pending(self.pending.rows)
        return replace(self, counts=counts, pending=nothing)

    def counted(self, definition: StatisticsDefinition, frame: pl.DataFrame) -> CountedLabels:
        """What every row may count."""
        unknown = first_unknown(frame[self.clock], definition)
        before = self.counts.counted_before(unknown, frame)
        time_R = self.pending.rows.time_R
        if not time_R.size:
            return before
        unknown_R = numbers_of(unknown)
        if not (unknown_R > time_R.min()).any():  # only labels of the day that goes on are pending
            return before
        asked = Asked(_hashes(definition, frame), unknown_R)
        later = dict(_quantities(earlier_of_parts(self.pending.parts, asked, ALL_EARLIER, 0)))
        of_keys = {}
        everyone = {}
        for name, number_KR in before.of_keys.items():
            later_KR = later[name].reshape(-1, len(frame))
            of_keys[name] = number_KR + later_KR[:-1]
            everyone[name] = before.everyone[name] + later_KR[-1]
        return CountedLabels(of_keys, everyone)

    @property
    def last_period(self) -> int:
        """The number of the last day (or hour) that has a label; BEFORE_ALL without one."""
        return int(self._last_periods(1).max(initial=BEFORE_ALL))

    @property
    def first_open(self) -> int:
        """The number of the first day (or hour) that labels may still come for.

        These are the last two with a label, and as many more as labels may be late.
        """
        num_open = self.definition.delay + 2
        last = self._last_periods(num_open)
        return BEFORE_ALL if last.size < num_open else int(last[0])

    def _last_periods(self, most: int) -> Integers:
        """The numbers of the last days (or hours) that have a label, in order."""
        before = numbers_of(self.counts.days.tail(most))
        return np.unique(np.concatenate([before, self.pending.rows.time_R]))[-most:]


def later_counts(
    counts: LabelCounts, definition: StatisticsDefinition, num_tasks: int
) -> LaterCounts:
    """Counts without later rows."""
    nothing = no_rows(len(definition.keys) + 1, num_tasks)
    return LaterCounts(counts, definition, nothing_pending(nothing))


def _logged(definition: StatisticsDefinition, rows: Rows) -> LoggedRows:
    """The rows that have a day, by its number."""
    assert definition.clock is not None, "nothing is counted anew without one"
    period_R = numbers_of(periods_of(rows.frame[definition.clock], definition))
    hash_KR = _hashes(definition, rows.frame)
    logged = hashed_rows(hash_KR, rows.has_task_MT, rows, period_R)
    return logged.of(np.flatnonzero(period_R != BEFORE_ALL))


def _hashes(definition: StatisticsDefinition, frame: pl.DataFrame) -> Hashes:
    """The hash of every key of every row, and that of the key that all have (K + 1, R)."""
    of_all_1R = np.full((1, len(frame)), OF_ALL)
    return np.concatenate([key_hashes(frame, definition.keys), of_all_1R])


def _quantities(earlier: EarlierRows) -> Iterator[tuple[str, Integers]]:
    """Yield what is counted of earlier rows (A,) by its name; see `quantities`."""
    yield ROWS, earlier.num_WS[0]
    for task, labels in enumerate(earlier.labels_T):
        yield rows_of(task), labels.num_WS[0]
        yield positives_of(task), labels.sum_WS[0]
        yield sum_of(task), labels.sum_WS[0]
