"""Run jobs on an executor and collect their events."""

import time
from collections.abc import Callable
from typing import Any

from hinet_search.executors import Executor, Heartbeat, Job, JobEnd, JobEvent, Message

PATIENCE_SECONDS = 60.0
FOREVER_SECONDS = 600.0


def submit(
    executor: Executor, function: Callable[..., None], payload: Any = None, key: str = "arm/0"
) -> None:
    executor.submit(Job(key, 1, function, payload))


def wait_for(executor: Executor, done: Callable[[list[JobEvent]], bool]) -> list[JobEvent]:
    """Return all events until `done`, except heartbeats."""
    heard: list[JobEvent] = []
    limit = time.monotonic() + PATIENCE_SECONDS
    while not done(heard):
        assert time.monotonic() < limit, f"heard only {heard}"
        heard += said(executor, 0.1)
    return heard


def said(executor: Executor, seconds: float) -> list[JobEvent]:
    """Return the events of this time, except heartbeats, whose number depends on the machine's load."""
    return [message for message in executor.poll(seconds) if not isinstance(message, Heartbeat)]


def ends(heard: list[JobEvent]) -> list[JobEnd]:
    return [message for message in heard if isinstance(message, JobEnd)]


def bodies(heard: list[JobEvent], key: str = "arm/0") -> list[Any]:
    return [
        message.body for message in heard if isinstance(message, Message) and message.key == key
    ]


def run(
    executor: Executor, function: Callable[..., None], payload: Any = None, key: str = "arm/0"
) -> list[Any]:
    """Run one job and return its events, its end last."""
    submit(executor, function, payload, key)
    return wait_for(executor, ends)
