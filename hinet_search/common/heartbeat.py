"""Heartbeat: long work reports its progress; on a slot the coordinator receives the heartbeats.

The work itself must send them, step by step: a separate thread would continue to send them while
the work hangs.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# Without a receiver this process is no slot.
_receiver: ContextVar[Callable[[], None]] = ContextVar("receiver", default=lambda: None)


def send_heartbeat() -> None:
    """Send a heartbeat. It is cheap enough for every batch."""
    _receiver.get()()


@contextmanager
def receive_heartbeats(receiver: Callable[[], None]) -> Iterator[None]:
    """Call `receiver` for every heartbeat that this thread sends inside."""
    before = _receiver.set(receiver)
    try:
        yield
    finally:
        _receiver.reset(before)
