"""What is asked of a database that is away is asked again until it is back, and for no longer than said."""

from inspect import isfunction

import pytest
import tenacity

from hinet_search.common import retry
from hinet_search.common.errors import DatabaseAway
from hinet_search.common.retry import FIRST_PAUSE, LONGEST_PAUSE, LONGEST_WAIT, Retry, once
from hinet_search.storage.store import StudyStore


class Clock:
    """Time that passes only in pauses."""

    def __init__(self) -> None:
        self.now = 100.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


class Away:
    """An operation that fails that many times."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.asked = 0

    def __call__(self) -> str:
        self.asked += 1
        if self.asked <= self.times:
            raise DatabaseAway("database x is not usable: locked", remedy="wait")
        return "done"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(retry, "time", made)
    monkeypatch.setattr(tenacity, "time", made)
    monkeypatch.setattr(tenacity.nap, "time", made)
    return made


def test_an_operation_that_works_is_done_once_and_nothing_is_said(clock: Clock) -> None:
    said: list[str] = []
    operation = Away(0)
    assert Retry(said.append, lambda: False)(operation) == "done"
    assert (operation.asked, said, clock.pauses) == (1, [], [])


def test_a_wait_is_announced_when_it_begins_and_when_it_ends(clock: Clock) -> None:
    said: list[str] = []
    assert Retry(said.append, lambda: False)(Away(9)) == "done"
    assert said == [
        "database x is not usable: locked; waiting for it, training continues (at most 300 s)",
        "the database is back after 21 s",
    ]
    assert clock.pauses[0] == FIRST_PAUSE
    assert clock.pauses[-1] == LONGEST_PAUSE
    assert clock.pauses == sorted(clock.pauses)


def test_a_database_that_stays_away_is_an_error_in_the_end(clock: Clock) -> None:
    with pytest.raises(DatabaseAway, match="locked"):
        Retry(lambda _: None, lambda: False)(Away(10_000))
    assert LONGEST_WAIT <= clock.now - 100.0 <= LONGEST_WAIT + LONGEST_PAUSE


def test_who_is_asked_to_stop_waits_no_longer(clock: Clock) -> None:
    operation = Away(10_000)
    with pytest.raises(DatabaseAway):
        Retry(lambda _: None, lambda: operation.asked == 3)(operation)
    assert operation.asked == 3


def test_mistakes_are_not_repeated(clock: Clock) -> None:
    asked: list[int] = []

    def mistaken() -> None:
        asked.append(1)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        Retry(lambda _: None, lambda: False)(mistaken)
    assert len(asked) == 1


def test_who_starts_hears_at_once_of_a_database_that_is_away() -> None:
    operation = Away(1)
    with pytest.raises(DatabaseAway):
        once(operation)
    assert operation.asked == 1


def test_every_operation_of_a_store_is_retried_but_those_that_begin_a_study() -> None:
    public = {
        name: method
        for name, method in vars(StudyStore).items()
        if isfunction(method) and name[0] != "_"
    }
    assert {name for name, method in public.items() if not hasattr(method, "__wrapped__")} == {
        "acquire_lease",
        "create_study",
    }
