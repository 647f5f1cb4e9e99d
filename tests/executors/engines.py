"""Engines under test: every file in executors, in the surroundings that it needs."""

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hinet_search.executors._carrier import Carrier
from hinet_search.executors._exchange import Exchange
from hinet_search.executors._slots import Slots

EXECUTORS = "hinet_search.executors"
EXCHANGING = "slots that do not see the coordinator's folder"


@contextmanager
def surroundings(engine: str) -> Iterator[dict[str, Any]]:
    """Options under which tests start an engine; what surroundings/NAME.py sets up, if there is one, stands meanwhile."""
    if not (Path(__file__).parent / "surroundings" / f"{engine}.py").exists():
        yield {}
        return
    with importlib.import_module(f"tests.executors.surroundings.{engine}").standing() as options:
        yield options


@contextmanager
def exchanging(folder: Path) -> Iterator[Callable[[int], Carrier]]:
    """Starts executors whose slots are on this machine and have a folder of their own there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(make(folder / "node")))
        exchange = Exchange(f"file://{folder}/exchange")
        yield lambda slots: Carrier(Slots(range(slots)), exchange, make(folder / "home"), "a-study")


def make(folder: Path) -> Path:
    """The folder, made if it is missing."""
    folder.mkdir(exist_ok=True)
    return folder
