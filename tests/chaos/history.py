"""Histories: what each process says it did, a line a fact, in a file of its own that outlives it."""

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Fact = dict[str, Any]

# Of a slot whose coordinator was killed before it had said what to run: Python's own words, none of ours is imported yet.
UNBORN = re.compile(
    r"""Traceback \(most recent call last\):\n  File "<string>", line 1, in <module>\n(?:  .*\n)*?  .*multiprocessing.spawn.*\n(?:  .*\n)*(?:EOFError|_pickle\.UnpicklingError): .*\n"""
)


def note(folder: Path, **fact: object) -> None:
    """One write of one line, which a kill cuts off as a whole or not at all."""
    line = json.dumps({"pid": os.getpid(), "time": time.time(), **fact}) + "\n"
    file = os.open(folder / f"{os.getpid()}.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)


def facts(folder: Path, what: str) -> list[Fact]:
    """Those of one kind, of all processes, in the order of time."""
    found = [fact for fact in _all(folder) if fact["what"] == what]
    return sorted(found, key=lambda fact: float(fact["time"]))


def _all(folder: Path) -> Iterator[Fact]:
    for path in folder.glob("*.jsonl"):
        for line in path.read_text().splitlines():
            yield json.loads(line)


def shows_traceback(said: Path) -> bool:
    """Whether a process of ours showed a traceback."""
    return "Traceback" in UNBORN.sub("", said.read_text())
