"""Logged rows: rows of a log as an index has them, without the values of their columns.

Shape legend: R rows, K keys, M scenarios, N some of the rows, T tasks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hinet_search.data.derived.added_up import Keys
from hinet_search.data.derived.earlier_rows import whole_labels
from hinet_search.data.derived.event_log import Integers
from hinet_search.data.derived.key_hashes import Hashes, key_hashes
from hinet_search.data.derived.moments import NO_TIME, Moments
from hinet_search.data.rows import Rows


@dataclass(frozen=True)
class LoggedRows:
    """Rows of a log: the hash of every key, the moment and number, and what each task adds.

    `has_TR` says which have the task. A row that is not seen is a label that came after its row: it
    is no exposure.
    """

    hash_KR: Hashes
    time_R: Integers
    number_R: NDArray[np.uint64]
    is_seen_R: NDArray[np.bool_]
    added_TR: Integers
    has_TR: NDArray[np.bool_]

    @property
    def num_rows(self) -> int:
        """The number of rows, R."""
        return self.time_R.size

    def of(self, row_N: NDArray[np.intp] | slice) -> "LoggedRows":
        """Some of the rows."""
        return LoggedRows(
            self.hash_KR[:, row_N],
            self.time_R[row_N],
            self.number_R[row_N],
            self.is_seen_R[row_N],
            self.added_TR[:, row_N],
            self.has_TR[:, row_N],
        )

    @property
    def in_order(self) -> "LoggedRows":
        """The rows in the order of a log."""
        return self.of(np.lexsort((self.number_R, self.time_R)))


def logged_rows(
    keys: Sequence[Keys],
    has_task_MT: NDArray[np.bool_],
    rows: Rows,
    moments: Moments,
    is_seen_R: NDArray[np.bool_] | None = None,
) -> LoggedRows:
    """Rows with a time as an index has them; all are seen unless `is_seen_R` says which."""
    labels = [
        whole_labels(rows, rows.labels_RT[:, task], task).astype(np.int64)
        for task in range(has_task_MT.shape[1])
    ]
    logged = LoggedRows(
        key_hashes(rows.frame, keys),
        moments.time_R,
        rows.row_R,
        np.ones(rows.num_rows, dtype=np.bool_) if is_seen_R is None else is_seen_R,
        np.stack(labels),
        has_task_MT[rows.scenario_R].T,
    )
    is_timed_R = moments.time_R != NO_TIME
    return logged if is_timed_R.all() else logged.of(np.flatnonzero(is_timed_R))


def joined_rows(parts: Sequence[LoggedRows]) -> LoggedRows:
    """The rows of all parts, one part after the other."""
    return LoggedRows(
        np.concatenate([part.hash_KR for part in parts], axis=1),
        np.concatenate([part.time_R for part in parts]),
        np.concatenate([part.number_R for part in parts]),
        np.concatenate([part.is_seen_R for part in parts]),
        np.concatenate([part.added_TR for part in parts], axis=1),
        np.concatenate([part.has_TR for part in parts], axis=1),
    )
