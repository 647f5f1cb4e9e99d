"""Silence is counted in time that somebody listened, and allowed for as long as the work has ever taken."""

import pytest

from hinet_search.search.silence import GAPS, Silence


def runs(_key: str) -> bool:
    return True


@pytest.fixture
def silence() -> Silence:
    """Of one job that has just begun; 600 seconds are too long."""
    found = Silence(600.0)
    found.begins("a/0")
    return found


def test_a_job_is_silent_for_too_long_when_so_much_was_listened(silence: Silence) -> None:
    silence.listened(599.0, (), runs)
    assert silence.cause("a/0", 0) == ""
    silence.listened(1.0, (), runs)
    assert silence.cause("a/0", 0) == "silent for 10 min"


def test_a_sign_of_life_begins_the_count_again(silence: Silence) -> None:
    silence.listened(599.0, (), runs)
    silence.listened(0.1, ("a/0",), runs)
    silence.listened(599.0, (), runs)
    assert silence.cause("a/0", 0) == ""


def test_a_job_that_waits_for_a_place_is_not_silent(silence: Silence) -> None:
    silence.listened(10_000.0, (), lambda _: False)
    assert silence.cause("a/0", 0) == ""


def test_a_job_may_take_a_multiple_of_the_longest_gap_that_any_job_had(silence: Silence) -> None:
    silence.begins("a/1")
    silence.listened(500.0, (), runs)
    silence.listened(0.1, ("a/0", "a/1"), runs)
    silence.ends("a/1")
    silence.listened(GAPS * 500.0 - 1, (), runs)
    assert silence.cause("a/0", 0) == ""
    silence.listened(1.0, (), runs)
    assert silence.cause("a/0", 0) == "silent for 33.3 min"


def test_an_attempt_after_a_death_may_be_silent_for_twice_as_long(silence: Silence) -> None:
    silence.listened(1199.0, (), runs)
    assert silence.cause("a/0", 1) == ""
    silence.listened(1.0, (), runs)
    assert silence.cause("a/0", 1) == "silent for 20 min"


def test_with_a_limit_of_zero_nothing_is_silent_for_too_long() -> None:
    silence = Silence(0.0)
    silence.begins("a/0")
    silence.listened(1e9, (), runs)
    assert silence.cause("a/0", 0) == ""
