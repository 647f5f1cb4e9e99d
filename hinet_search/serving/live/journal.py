"""Journal: the events that a server was sent, on disk before it says so.

An event is a row of the log with an id. It may come without labels and once more with them; what
comes again with nothing new changes nothing. Every row that is added and every label that arrives
is a change with a number, in order, so a state that has the changes up to one goes on from there.

The file is a SQLite database, events.db in the folder of the state: what was committed is there
after a crash, and nothing else.
"""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from hinet_search.common.errors import DataError, EnvironmentFault
from hinet_search.common.files import make_file, make_folder, refuse_special
from hinet_search.serving.state import JOURNAL

WAIT_SECONDS = 2.0
_PRAGMAS = (
    "trusted_schema = off",  # a stranger's file calls no function
    "locking_mode = exclusive",
    "journal_mode = wal",
    "synchronous = full",
)
_TABLE = """\
create table if not exists events (
    id text primary key, number integer not null, moment integer not null,
    row text not null, labels text, added integer not null, labelled integer
) without rowid"""
_INDICES = (
    "create index if not exists by_added on events (added)",
    "create index if not exists by_labelled on events (labelled)",
    "create index if not exists by_moment on events (moment)",
)
_KNOWN = "select id, number, moment, row, labels from events where id = ?"
_INSERT = "insert into events values (?, ?, ?, ?, ?, ?, ?)"
_SET_LABELS = "update events set labels = ?, labelled = ? where id = ?"
_ADDED = "select * from events where added > ? and added <= ? order by added"
_LABELLED = (
    "select * from events where labelled > ? and labelled <= ? and added <= ? order by labelled"
)


@dataclass(frozen=True)
class StoredEvent:
    """An event as it came: its id, its moment, its row and its labels as JSON, None without them.

    `number` orders the events of a moment.
    """

    id: str
    number: int
    moment: int
    row: str
    labels: str | None


@dataclass(frozen=True)
class Change:
    """An event that was added, or of which the labels arrived: then `is_row` is false."""

    event: StoredEvent
    is_row: bool


@dataclass(frozen=True)
class Taken:
    """What became of some events: the changes, their last number, how many brought nothing new
    (`again`), and how many came too late.
    """

    changes: tuple[Change, ...]
    last: int
    again: int
    late: int


class Journal:
    """The journal of a folder, which one process holds until it closes it or ends.

    EnvironmentFault if it cannot be used, or another process holds it.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / JOURNAL
        self._lock = threading.RLock()
        with self._told():
            make_folder(folder)
            refuse_special(self.path)
            if self.path.is_symlink() and not self.path.exists():
                raise OSError("it is a link that leads nowhere")
            self._is_unused = make_file(self.path)
            self._database = sqlite3.connect(
                self.path, isolation_level=None, check_same_thread=False, timeout=WAIT_SECONDS
            )
            for pragma in _PRAGMAS:
                self._database.execute(f"pragma {pragma}")
            self._database.execute(_TABLE)
            for index in _INDICES:
                self._database.execute(index)
            self._identity = _identity_of(self.path)

    def close(self) -> None:
        """Close the file; one that was made here and never had an event is removed."""
        with self._lock:
            self._database.close()
            if self._is_unused:
                self.path.unlink(missing_ok=True)

    @property
    def last(self) -> int:
        """The number of the last change that is not forgotten, 0 if there is none."""
        return max(self._largest("added"), self._largest("labelled"))

    @property
    def next_number(self) -> int:
        """A number for the next event, larger than those that are not forgotten."""
        return self._largest("number") + 1

    def _largest(self, column: Literal["added", "labelled", "number"]) -> int:
        query = {
            "added": "select max(added) from events",
            "labelled": "select max(labelled) from events",
            "number": "select max(number) from events",
        }
        with self._told():
            (largest,) = self._database.execute(query[column]).fetchone()
        if not isinstance(largest, int | None):
            raise damaged(self.path)
        return largest or 0

    def take(self, events: Sequence[StoredEvent], last: int, first: int) -> Taken:
        """Write events as changes after the `last` one, all or none, and say which are new.

        Those from before the moment `first` are too late, also labels of a row from before it.
        They are on disk when this returns.
        """
        changes: list[Change] = []
        number = last
        again = 0
        late = 0
        with self._told(), self._transaction():
            for event in events:
                known = self._event(event.id)
                if event.moment < first:
                    late += 1
                elif known is None:
                    number += 1
                    self._insert(event, number)
                    changes.append(Change(event, is_row=True))
                elif known.labels is not None or event.labels is None:
                    again += 1
                elif known.moment < first:
                    late += 1
                else:
                    number += 1
                    self._database.execute(_SET_LABELS, (event.labels, number, event.id))
                    changes.append(Change(replace(known, labels=event.labels), is_row=False))
        self._refuse_replaced()
        self._is_unused = self._is_unused and not changes
        return Taken(tuple(changes), number, again, late)

    def _event(self, event_id: str) -> StoredEvent | None:
        row = self._database.execute(_KNOWN, (event_id,)).fetchone()
        return None if row is None else self._of_row(row)

    def _insert(self, event: StoredEvent, number: int) -> None:
        labelled = None if event.labels is None else number
        values = (event.id, event.number, event.moment, event.row, event.labels)
        self._database.execute(_INSERT, (*values, number, labelled))

    def _refuse_replaced(self) -> None:
        """EnvironmentFault if the file was deleted or replaced: SQLite goes on to write to it."""
        with suppress(OSError):
            if _identity_of(self.path) == self._identity:
                return
        raise EnvironmentFault(
            f"{self.path}: the file was deleted, moved or replaced while this server used it",
            remedy="start the server again, and send what it did not answer once more",
        )

    def changes(self, after: int, up_to: int) -> Iterator[Change]:
        """The changes after one up to another, rows first, with the labels of now.

        A row whose labels came in another change is one change with labels if both are among these.
        """
        with self._told():
            rows = self._database.execute(_ADDED, (after, up_to)).fetchall()
            labels = self._database.execute(_LABELLED, (after, up_to, after)).fetchall()
        for row in rows:
            is_known = row[6] is not None and row[6] <= up_to
            event = self._of_row(row[:5])
            yield Change(event if is_known else replace(event, labels=None), is_row=True)
        for row in labels:
            yield Change(self._of_row(row[:5]), is_row=False)

    def forget(self, before: int, up_to: int) -> None:
        """Forget events from before a moment that a state has, all of whose changes it has."""
        with self._told():
            self._database.execute(
                "delete from events where moment < ? and added <= ? "
                "and (labelled is null or labelled <= ?)",
                (before, up_to, up_to),
            )

    def _of_row(self, row: Sequence[object]) -> StoredEvent:
        """The event of a row; JournalDamaged if it is not one that `take` wrote."""
        event_id, number, moment, text, labels = row
        if (
            isinstance(event_id, str)
            and isinstance(number, int)
            and isinstance(moment, int)
            and isinstance(text, str)
            and isinstance(labels, str | None)
            and number >= 0
        ):
            return StoredEvent(event_id, number, moment, text, labels)
        raise damaged(self.path)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """One thread at a time; EnvironmentFault for what SQLite or the disk refuses."""
        with self._lock:
            try:
                yield
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise _unusable(self.path, error) from error
                raise EnvironmentFault(
                    f"{self.path}: one process at a time takes events, but another one has it open",
                    remedy="end that server or program, or name another folder with --state",
                ) from error
            except (sqlite3.Error, OSError) as error:
                raise _unusable(self.path, error) from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._database.execute("rollback")
            raise
        self._database.execute("commit")


def _identity_of(path: Path) -> tuple[int, int]:
    """What stays the same of a file while it is neither deleted nor replaced."""
    status = path.stat()
    return status.st_dev, status.st_ino


class JournalDamaged(DataError):
    """A journal has content that `serve --events` did not write."""


def damaged(path: Path) -> JournalDamaged:
    """The error for a journal with content that `serve --events` did not write."""
    return JournalDamaged(
        f"{path}: must be a journal that serve --events wrote, but is damaged",
        remedy="name another folder with --state",
    )


def _unusable(path: Path, error: Exception) -> EnvironmentFault:
    return EnvironmentFault(
        f"{path}: events must be written here, but cannot be: {error}",
        remedy="free space, give write permission, or name another folder with --state",
    )
