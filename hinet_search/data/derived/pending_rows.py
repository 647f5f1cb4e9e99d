"""Pending rows: those that came since an index was made, in two indices of their own.

Most of them lie in one and the newest in another, so that adding a row does not take longer the
more there are.
"""

from dataclasses import dataclass

from hinet_search.data.derived.keyed_log import KeyedLog, LoggedRows, joined_rows, keyed_log

NEWEST_ROWS = 128  # in an index that is made again for every row that comes


@dataclass(frozen=True)
class PendingRows:
    """Rows as they came: the first `num_settled` are in the index `settled`, others in `newest`."""

    rows: LoggedRows
    num_settled: int
    settled: KeyedLog
    newest: KeyedLog

    def with_later(self, later: LoggedRows) -> "PendingRows":
        """These rows and further ones."""
        rows = joined_rows([self.rows, later])
        settled = self.settled
        num_settled = self.num_settled
        if rows.num_rows - num_settled > NEWEST_ROWS:
            settled = keyed_log(rows.in_order)
            num_settled = rows.num_rows
        newest = keyed_log(rows.of(slice(num_settled, None)).in_order)
        return PendingRows(rows, num_settled, settled, newest)

    @property
    def parts(self) -> tuple[KeyedLog, KeyedLog]:
        """Both indices."""
        return self.settled, self.newest


def nothing_pending(rows: LoggedRows) -> PendingRows:
    """No pending rows, of the form of others."""
    nothing = rows.of(slice(0))
    empty = keyed_log(nothing)
    return PendingRows(nothing, 0, empty, empty)
