"""Jobs on an executor, and what is heard of them."""

import time
from collections.abc import Callable
from typing import Any

from hinet_search.executors import Alive, Ended, Executor, Job, Message, Said

PATIENCE_SECONDS = 60.0
FOREVER_SECONDS = 600.0


def submit(executor: Executor, function: Callable[..., None], payload: Any = None, key: str = "arm/0") -> None:
    executor.submit(Job(key, 1, function, payload))


def wait_for(executor: Executor, done: Callable[[list[Said]], bool]) -> list[Said]:
    """Everything heard until `done`, but for signs of life."""
    heard: list[Said] = []
    limit = time.monotonic() + PATIENCE_SECONDS
    while not done(heard):
        assert time.monotonic() < limit, f"heard only {heard}"
        heard += said(executor, 0.1)
    return heard


def said(executor: Executor, seconds: float) -> list[Said]:
    """What comes in this time, but for signs of life: how many there are depends on how busy the machine is."""
    return [one for one in executor.poll(seconds) if not isinstance(one, Alive)]


def ends(heard: list[Said]) -> list[Ended]:
    return [one for one in heard if isinstance(one, Ended)]


def bodies(heard: list[Said], key: str = "arm/0") -> list[Any]:
    return [one.body for one in heard if isinstance(one, Message) and one.key == key]


def run(executor: Executor, function: Callable[..., None], payload: Any = None, key: str = "arm/0") -> list[Any]:
    """Everything heard of one job, its end last."""
    submit(executor, function, payload, key)
    return wait_for(executor, ends)
