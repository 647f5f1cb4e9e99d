"""A study that runs, made step by step, and its dashboard that answers meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Thread

from sqlalchemy import update

from hinet_search.dashboard import make_server
from hinet_search.guard import Access
from hinet_search.storage.lease import this_process
from hinet_search.storage.store import StudyStore
from hinet_search.storage.tables import lease
from tests.storage.small_study import new_store

ELSEWHERE = replace(this_process(), host="other-host", pid=4321)


def running_study(folder: Path, name: str = "small") -> StudyStore:
    """A study that a coordinator on another machine runs; no trial has begun."""
    store = replace(new_store(folder / "h.db", name), holder=ELSEWHERE)
    store.acquire_lease()
    return store


def fall_silent(store: StudyStore, seconds: float) -> None:
    """Its coordinator was heard so long ago."""
    with store.database.writing() as connection:
        connection.execute(update(lease).values(heartbeat=lease.c.heartbeat - seconds))


@contextmanager
def served(store: StudyStore) -> Iterator[int]:
    """The dashboard over its database answers meanwhile; the port."""
    with make_server(str(store.database.engine.url.database), Access(port=0)) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
