"""Life: work that takes long says now and then that it goes on. On a slot its coordinator hears of it, elsewhere nobody.

To be said by the work itself, step by step: a thread of its own would go on saying it while the work hangs.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


def _nobody() -> None:
    """Hears nothing."""


_hearer: ContextVar[Callable[[], None]] = ContextVar("hearer", default=_nobody)


def sign() -> None:
    """The work goes on. Cheap enough for every batch."""
    _hearer.get()()


@contextmanager
def heard_by(hearer: Callable[[], None]) -> Iterator[None]:
    """Signs that this thread gives inside are for `hearer`."""
    before = _hearer.set(hearer)
    try:
        yield
    finally:
        _hearer.reset(before)
