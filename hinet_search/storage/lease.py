"""Lease: allow one coordinator per study. Only the database's clock decides a heartbeat's age.

A launch that cannot release its lease, because the disk is full, gives it up: its process may run
on, as that of a notebook does, and must not wait for itself.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock

from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    and_,
    delete,
    literal_column,
    select,
    text,
    update,
)

from hinet_search.common.errors import StudyConflict
from hinet_search.storage.damage import AnyRow, reads
from hinet_search.storage.tables import insert_if_absent, lease

LEASE_SECONDS = 60.0

_CLOCKS = {
    "sqlite": "(julianday('now') - 2440587.5) * 86400.0",
    "postgresql": "extract(epoch from clock_timestamp())::float8",
}


@dataclass(frozen=True)
class Holder:
    """A process. `boot_id` names the boot and the pid namespace in which `pid` is valid."""

    host: str
    pid: int
    boot_id: str


# Leases of this process that are stored, but that none of its launches holds any more.
_given_up: set[tuple[URL, str, Holder]] = set()
_taking = Lock()  # only one launch of this process may take what was given up


@dataclass(frozen=True)
class _Lease:
    """A stored lease; its holder may be dead by now. `heartbeat` is by the database's clock."""

    study: str
    holder: Holder
    heartbeat: float
    seconds_left: float | None


def this_process() -> Holder:
    """Return the process that runs this line."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    namespace = Path("/proc/self/ns/pid")
    is_linux = boot.exists() and namespace.exists()  # elsewhere the host's name has to do
    boot_id = f"{boot.read_text().strip()} {namespace.readlink()}" if is_linux else ""
    return Holder(socket.gethostname(), os.getpid(), boot_id)


def acquire(connection: Connection, study: str, holder: Holder) -> None:
    """Take the lease of a study for `holder`. StudyConflict names a live holder.

    Replace a holder that died on this machine at once, any other holder when its heartbeat is 60 s
    old.
    """
    of_study = select(lease).where(lease.c.study == study)
    while True:
        our_row = {"study": study, **asdict(holder), "heartbeat": _now(connection)}
        our_row["seconds_left"] = None
        if insert_if_absent(connection, lease, our_row):
            return
        stored_row = connection.execute(of_study.with_for_update()).one_or_none()
        if stored_row is None:
            continue  # it was released a moment ago
        _refuse_live(connection, _to_lease(stored_row), holder)
        connection.execute(update(lease).where(lease.c.study == study).values(**our_row))
        return


@contextmanager
def taking(database: URL, study: str, holder: Holder) -> Iterator[None]:
    """Call `acquire` inside, in a transaction of its own: what was given up is held again."""
    with _taking:
        yield
        _given_up.discard((database, study, holder))


def give_up(database: URL, study: str, holder: Holder) -> None:
    """Let the next launch of this process take the lease, which could not be released."""
    _given_up.add((database, study, holder))


def refuse_held(connection: Connection, study: str, asking: Holder) -> None:
    """Raise StudyConflict when the study has a live holder, as `acquire` would; take nothing."""
    held = _stored_lease(connection, study)
    if held is not None:
        _refuse_live(connection, held, asking)


def renew(connection: Connection, study: str, holder: Holder, **noted: float | None) -> None:
    """Set the heartbeat and what is `noted`; StudyConflict if another process took the lease over.

    Called in the transaction of a write, it allows the write only while the lease is held.
    """
    beat = (
        update(lease)
        .where(_is_of(study, holder))
        .values(heartbeat=literal_column(_CLOCKS[connection.dialect.name]), **noted)
    )
    if connection.execute(beat).rowcount == 0:
        raise StudyConflict(
            f"process {holder.pid} on {holder.host} no longer holds study '{study}': "
            "another one took it over",
            remedy="nothing is lost; this process must stop",
        )


def release(connection: Connection, study: str, holder: Holder) -> None:
    """Release the lease; do nothing when another process holds it."""
    connection.execute(delete(lease).where(_is_of(study, holder)))


def heartbeat(connection: Connection, study: str) -> tuple[float | None, float | None]:
    """Return the seconds since the holder's heartbeat, and those left to it; None without them."""
    held = _stored_lease(connection, study)
    if held is None:
        return None, None
    return max(0.0, _now(connection) - held.heartbeat), held.seconds_left


def state_now(connection: Connection, study: str, written: str) -> str:
    """Return a study's state: interrupted when it is stored as running but has no live holder."""
    if written != "running":
        return written
    held = _stored_lease(connection, study)
    if held is None or _is_given_up(connection, held):
        return "interrupted"
    return written if _may_live(held, _now(connection), this_process()) else "interrupted"


@reads(lease)
def _to_lease(row: AnyRow) -> _Lease:
    holder = Holder(row.host, row.pid, row.boot_id)
    return _Lease(row.study, holder, row.heartbeat, row.seconds_left)


def _stored_lease(connection: Connection, study: str) -> _Lease | None:
    row = connection.execute(select(lease).where(lease.c.study == study)).one_or_none()
    return None if row is None else _to_lease(row)


def _refuse_live(connection: Connection, held: _Lease, asking: Holder) -> None:
    now = _now(connection)
    is_ours = held.holder == asking
    if is_ours and _is_given_up(connection, held):
        return
    if _may_live(held, now, asking):
        age = max(now - held.heartbeat, 0.0)
        remedy = f"wait until it ends or stop it: kill {held.holder.pid}"
        if is_ours:
            remedy = "wait until it ends: it is another launch of this very process"
        raise StudyConflict(
            f"study '{held.study}' is run by process {held.holder.pid} on {held.holder.host} "
            f"(heartbeat {age:.0f} s ago)",
            remedy=remedy,
        )


def _may_live(held: _Lease, now: float, asking: Holder) -> bool:
    """Whether a holder may be alive; a heartbeat far ahead is of before the clock was set back."""
    return abs(now - held.heartbeat) <= LEASE_SECONDS and not _is_dead(held.holder, asking)


def _is_given_up(connection: Connection, held: _Lease) -> bool:
    return (connection.engine.url, held.study, held.holder) in _given_up


def _is_of(study: str, holder: Holder) -> ColumnElement[bool]:
    return and_(
        lease.c.study == study,
        lease.c.host == holder.host,
        lease.c.pid == holder.pid,
        lease.c.boot_id == holder.boot_id,
    )


def _now(connection: Connection) -> float:
    return float(
        connection.execute(text(f"SELECT {_CLOCKS[connection.dialect.name]}")).scalar_one()
    )


def _is_dead(holder: Holder, asking: Holder) -> bool:
    """Whether the holder is certainly dead; known only in the same boot and pid namespace."""
    if (holder.host, holder.boot_id) != (asking.host, asking.boot_id):
        return False
    try:
        os.kill(holder.pid, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        return False  # it runs as another user
    return False
