"""A running study, built step by step, and a dashboard that serves it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

from sqlalchemy import update

from hinet_search.dashboard.access import Access
from hinet_search.dashboard.server import make_server
from hinet_search.storage.lease import this_process
from hinet_search.storage.store import StudyStore
from hinet_search.storage.tables import lease
from tests.storage.small_study import new_store

ELSEWHERE = replace(this_process(), host="other-host", pid=4321)


def running_study(folder: Path, name: str = "small") -> StudyStore:
    """A study run by a coordinator on another machine, without a trial so far."""
    store = replace(new_store(folder / "h.db", name), holder=ELSEWHERE)
    store.acquire_lease()
    return store


def fall_silent(store: StudyStore, seconds: float) -> None:
    """Set the time since the coordinator's last heartbeat."""
    with store.database.writing() as connection:
        connection.execute(update(lease).values(heartbeat=lease.c.heartbeat - seconds))


def served(store: StudyStore) -> AbstractContextManager[int]:
    """Serve the dashboard of the store's database, see `serving`."""
    return serving(str(store.database.engine.url.database))


@contextmanager
def serving(url: str, **access: Any) -> Iterator[int]:
    """Serve the dashboard of a database in a thread and return its port."""
    with make_server(url, Access(port=0, **access)) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
