"""A first signal asks a launch to stop, a second one interrupts it."""

import os
import signal
from collections.abc import Iterator

import pytest

from hinet_search.common.errors import Interrupted
from hinet_search.search.dispatch import STOPPING, StopFlag


@pytest.fixture
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in STOPPING}
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whatever the tests were started under
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", STOPPING)
def test_a_first_signal_asks_to_stop_and_raises_nothing(handlers: None, number: int) -> None:
    flag = StopFlag()
    with flag.handling_signals():
        assert not flag.is_set
        os.kill(os.getpid(), number)
        assert flag.is_set
    assert flag.signal_number == number


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_second_signal_interrupts_at_once_with_its_exit_code(
    handlers: None, number: int, code: int
) -> None:
    with StopFlag().handling_signals():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(Interrupted) as caught:
            os.kill(os.getpid(), number)
    assert caught.value.exit_code == code


@pytest.mark.parametrize(("first", "code"), [(signal.SIGHUP, 129), (signal.SIGTERM, 143)])
def test_a_terminal_that_closes_asks_to_stop_however_often_it_says_so(
    handlers: None, first: int, code: int
) -> None:
    flag = StopFlag()
    with flag.handling_signals():
        for number in (first, signal.SIGHUP, signal.SIGHUP):
            os.kill(os.getpid(), number)
    assert 128 + flag.signal_number == code


def test_under_nohup_a_closed_terminal_is_nothing(handlers: None) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    flag = StopFlag()
    with flag.handling_signals():
        os.kill(os.getpid(), signal.SIGHUP)
        assert not flag.is_set


def test_signal_handlers_are_restored_after_a_launch(handlers: None) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with StopFlag().handling_signals():
        during = signal.getsignal(signal.SIGINT)
    assert during != before[0]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
