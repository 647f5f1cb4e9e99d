"""Engines under test: every file in executors, in the surroundings that it needs."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

EXECUTORS = "hinet_search.executors"


@contextmanager
def surroundings(engine: str) -> Iterator[dict[str, Any]]:
    """Options with which tests start an engine, inside what surroundings/NAME.py sets up, if there is such a file."""
    if not (Path(__file__).parent / "surroundings" / f"{engine}.py").exists():
        yield {}
        return
    with importlib.import_module(f"tests.executors.surroundings.{engine}").standing() as options:
        yield options
