"""A launch whose words go nowhere goes on; a fault of ours is no such word."""

import errno
from contextlib import nullcontext

import pytest

from hinet_search.cli._heard import WhileHeard
from hinet_search.search.progress import Event, Progress

NOTHING = Progress("shop", 1, "cpu", 1.0, arms={})


class Failing:
    """A watcher that cannot write."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def event(self, event: Event) -> None:
        raise self._error

    def tick(self, progress: Progress) -> None:
        raise self._error


@pytest.mark.parametrize("number", [errno.EIO, errno.EPIPE, errno.ENOSPC], ids=lambda number: errno.errorcode[number])
def test_no_error_of_writing_reaches_the_study(number: int) -> None:
    with WhileHeard(nullcontext(Failing(OSError(number, "gone")))) as watcher:
        watcher.event(Event("best", "hinet/0 .7"))
        watcher.tick(NOTHING)


def test_a_fault_of_the_watcher_is_heard() -> None:
    with WhileHeard(nullcontext(Failing(KeyError("arm")))) as watcher, pytest.raises(KeyError):
        watcher.tick(NOTHING)
