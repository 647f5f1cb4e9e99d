"""Histories: each process writes what it did to its own file, one fact per line, which survives the process."""

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
    """Write one line at once, so that a kill loses the whole line or nothing."""
    line = json.dumps({"pid": os.getpid(), "time": time.time(), **fact}) + "\n"
    file = os.open(folder / f"{os.getpid()}.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)


def facts(folder: Path, what: str) -> list[Fact]:
    """Return the facts of one kind from all processes, in order of time."""
    of_kind = [fact for fact in _all(folder) if fact["what"] == what]
    return sorted(of_kind, key=lambda fact: float(fact["time"]))


def _all(folder: Path) -> Iterator[Fact]:
    for path in folder.glob("*.jsonl"):
        for line in path.read_text().splitlines():
            yield json.loads(line)


def shows_traceback(said: Path) -> bool:
    """Return whether one of the processes printed a traceback."""
    return "Traceback" in UNBORN.sub("", said.read_text())
