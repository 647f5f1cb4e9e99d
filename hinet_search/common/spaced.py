"""Spaced: tell how far long work is, a line every few seconds."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

SECONDS = 10.0

T = TypeVar("T")


def say_nothing(_text: str) -> None:
    """Take a line of progress, and do nothing."""


def told(
    what: str, parts: Sequence[T], say: Callable[[str], None], seconds: float = SECONDS
) -> Iterator[T]:
    """Yield the parts of some work, and say `what: 3 of 28` where the last line is long past.

    Work that ends within so many seconds says nothing.
    """
    last = time.monotonic()
    for number, part in enumerate(parts):
        now = time.monotonic()
        if now - last >= seconds:
            say(f"{what}: {number} of {len(parts)}")
            last = now
        yield part
