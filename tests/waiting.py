"""Waiting for what another process does: for a condition, with a limit that only a fault reaches."""

import time
from collections.abc import Callable

LIMIT_SECONDS = 240.0


def wait_until(
    condition: Callable[[], object],
    explain: Callable[[], str] = lambda: "",
    pause: float = 0.02,
    at_most: float = LIMIT_SECONDS,
) -> None:
    """Return once the condition holds; what it asserts or raises ends the waiting."""
    limit = time.monotonic() + at_most
    while not condition():
        assert time.monotonic() < limit, f"not so after {at_most:.0f} seconds {explain()}"
        time.sleep(pause)


def seconds_until(condition: Callable[[], object], at_most: float) -> float:
    """Wait for the condition, no longer than that, and return how long it took."""
    began = time.monotonic()
    while not condition() and time.monotonic() - began < at_most:
        time.sleep(0.01)
    return time.monotonic() - began
