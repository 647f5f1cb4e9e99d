"""Set-up that tests share: slots are forked from a process that has torch, and a SQLite database is copied from an empty one.

A spawned slot imports for two seconds, and making the tables takes a tenth of one. Tests of either use `as_shipped`.
Torch collects its operators of ONNX once for all graphs, not for each of them, which takes half a second.
All cores are free, so that no other work of the machine adds a line to what a command prints.
"""

import multiprocessing
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cache
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from sqlalchemy import Engine

from hinet_search.executors.processes import slots
from hinet_search.search import machine
from hinet_search.storage import engine as storage_engine

PRELOADED = [  # what a slot and a coordinator import
    "alembic.command",
    "hinet_search.search.launch",
    "hinet_search.training.jobs.score",
    "optuna.importance",
    "lightgbm",
    "tests.search.pretended",
]
TABLES = "SELECT count(*) FROM sqlite_master"

_make_tables = storage_engine.make_tables
_export = torch.onnx.export
_empty: list[bytes] = []  # a database with tables and no study, once one was made
_making = threading.Lock()


class ForkedSlot(ForkServerProcess):
    """A slot with the environment of the moment at which it is started, as a spawned one has."""

    def start(self) -> None:
        """Start it."""
        self._args = (dict(os.environ), self._target, *self._args)
        self._target = _in_environment
        super().start()


def _in_environment(
    environment: dict[str, str], target: Callable[..., None], *arguments: object
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    target(*arguments)


class ForkingContext(ForkServerContext):
    """A context whose processes are forked slots."""

    Process = ForkedSlot


def preloaded(context: ForkServerContext) -> ForkServerContext:
    """Return the context with what a launch imports preloaded; all contexts of this process share one server."""
    context.set_forkserver_preload(PRELOADED)
    return context


def _copy_tables(engine: Engine, url: str) -> None:
    """Fill a SQLite file in which nothing is; make the tables of any other database."""
    if engine.name == "sqlite":
        with engine.connect() as connection:
            file: Any = connection.connection.driver_connection
            if file.execute(TABLES).fetchone() == (0,):
                with closing(sqlite3.connect(":memory:")) as empty:
                    empty.deserialize(_empty_database())
                    empty.backup(file)
    _make_tables(engine, url)


def _empty_database() -> bytes:
    with _making:
        if not _empty:
            with TemporaryDirectory() as folder, as_shipped():
                path = Path(folder) / "empty.db"
                storage_engine.connect(str(path), create=True).close()
                with closing(sqlite3.connect(path)) as made:
                    made.execute("PRAGMA journal_mode=DELETE")
                    _empty.append(made.serialize())
        return _empty[0]


@cache
def _keep_operators() -> None:
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    collected = staticmethod(cache(ONNXRegistry.from_torchlib))
    pytest.MonkeyPatch().setattr(ONNXRegistry, "from_torchlib", collected)


def _exported_by_kept_operators(*given: Any, **named: Any) -> Any:
    _keep_operators()
    return _export(*given, **named)


def install(patch: pytest.MonkeyPatch) -> None:
    """Take the shortcuts from now on."""
    forking = SimpleNamespace(
        **{**vars(multiprocessing), "get_context": lambda _method: preloaded(ForkingContext())}
    )
    patch.setattr(slots, "multiprocessing", forking)
    patch.setattr(storage_engine, "make_tables", _copy_tables)
    patch.setattr(machine, "free_cores", float)
    patch.setattr(torch.onnx, "export", _exported_by_kept_operators)


@contextmanager
def as_shipped() -> Iterator[None]:
    """Without the shortcuts: slots are spawned, tables are made."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slots, "multiprocessing", multiprocessing)
        patch.setattr(storage_engine, "make_tables", _make_tables)
        yield
