"""Leases: one coordinator per study. The database's clock alone decides how old a heartbeat is."""

import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, literal_column, select, text, update

from hinet_search.errors import StudyConflict
from hinet_search.storage.engine import Database
from hinet_search.storage.tables import lease
from hinet_search.storage.upsert import insert_if_absent

LEASE_SECONDS = 60.0

_CLOCKS = {
    "sqlite": "(julianday('now') - 2440587.5) * 86400.0",
    "postgresql": "extract(epoch from clock_timestamp())::float8",
}


@dataclass(frozen=True)
class Holder:
    """A process. `boot_id` names the boot and the pid namespace in which `pid` means something."""

    host: str
    pid: int
    boot_id: str


def this_process() -> Holder:
    """The process that runs this line."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    namespace = Path("/proc/self/ns/pid")
    known = boot.exists() and namespace.exists()  # on Linux; elsewhere the host's name has to do
    boot_id = f"{boot.read_text().strip()} {namespace.readlink()}" if known else ""
    return Holder(socket.gethostname(), os.getpid(), boot_id)


def acquire(database: Database, study: str, holder: Holder) -> None:
    """Takes the study for `holder`. StudyConflict names the live holder when there is one.

    A holder that died on this machine is replaced at once, any other one when its heartbeat is 60 s old.
    """
    of_study = select(lease).where(lease.c.study == study)
    with database.writing() as connection:
        while not insert_if_absent(connection, lease, mine := _held_now(connection, study, holder)):
            found = connection.execute(of_study.with_for_update()).one_or_none()
            if found is None:
                continue  # it was given back a moment ago
            _refuse_live(connection, found, holder)
            connection.execute(update(lease).where(lease.c.study == study).values(**mine))
            return


def refuse_held(database: Database, study: str, asking: Holder) -> None:
    """StudyConflict when the study has a live holder, as `acquire` would say; takes nothing."""
    with database.reading() as connection:
        found = connection.execute(select(lease).where(lease.c.study == study)).one_or_none()
        if found is not None:
            _refuse_live(connection, found, asking)


def renew(connection: Connection, study: str, holder: Holder) -> None:
    """Sets the heartbeat; StudyConflict when the lease has gone to somebody else, who then runs the study.

    In the transaction of a write, that write happens only while the study is held.
    """
    beat = update(lease).where(_is_of(study, holder)).values(heartbeat=literal_column(_CLOCKS[connection.dialect.name]))
    if connection.execute(beat).rowcount == 0:
        raise StudyConflict(
            f"process {holder.pid} on {holder.host} no longer holds study '{study}': another one took it over",
            remedy="nothing is lost; this process must stop",
        )


def release(database: Database, study: str, holder: Holder) -> None:
    """Gives the study back; nothing happens when it is held by somebody else."""
    with database.writing() as connection:
        connection.execute(delete(lease).where(_is_of(study, holder)))


def held_studies(connection: Connection) -> set[str]:
    """Names of the studies whose holder may be alive."""
    now, asking = _now(connection), this_process()
    rows = connection.execute(select(lease)).all()
    return {row.study for row in rows if _may_live(row, now, asking)}


def silence(connection: Connection, study: str) -> float | None:
    """Seconds since the heartbeat of whoever holds the study, by the database's clock; None when nobody does."""
    beat = connection.execute(select(lease.c.heartbeat).where(lease.c.study == study)).scalar_one_or_none()
    return None if beat is None else max(0.0, _now(connection) - beat)


def state_now(written: str, study: str, held: set[str]) -> str:
    """The state of a study: one that runs, as is written, though nobody holds it, was interrupted."""
    return "interrupted" if written == "running" and study not in held else written


def _held_now(connection: Connection, study: str, holder: Holder) -> dict[str, object]:
    return {"study": study, **asdict(holder), "heartbeat": _now(connection)}


def _refuse_live(connection: Connection, found: Row[tuple[object, ...]], asking: Holder) -> None:
    now = _now(connection)
    if _may_live(found, now, asking):
        age = max(now - found.heartbeat, 0.0)
        raise StudyConflict(
            f"study '{found.study}' is run by process {found.pid} on {found.host} (heartbeat {age:.0f} s ago)",
            remedy=f"wait until it ends or stop it: kill {found.pid}",
        )


def _may_live(found: Row[tuple[object, ...]], now: float, asking: Holder) -> bool:
    """Whether a holder may be alive. One whose heartbeat is to come was there before the clock was set back, not since."""
    return abs(now - found.heartbeat) <= LEASE_SECONDS and not _is_dead(found, asking)


def _is_of(study: str, holder: Holder) -> ColumnElement[bool]:
    return and_(
        lease.c.study == study,
        lease.c.host == holder.host,
        lease.c.pid == holder.pid,
        lease.c.boot_id == holder.boot_id,
    )


def _now(connection: Connection) -> float:
    return float(connection.execute(text(f"SELECT {_CLOCKS[connection.dialect.name]}")).scalar_one())


def _is_dead(found: Row[tuple[object, ...]], asking: Holder) -> bool:
    """Whether the holder is certainly gone, which only a process of the same boot and pid namespace can see."""
    if (found.host, found.boot_id) != (asking.host, asking.boot_id):
        return False
    try:
        os.kill(found.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False  # it runs, under another user
    return False
