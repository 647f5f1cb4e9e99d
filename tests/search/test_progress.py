"""Progress is counted from what this run has done."""

import pytest

from hinet_search.search.progress import Progress


def progress(*, done: int, total: int) -> Progress:
    """A phase that this run began after 10 s with 2 already done."""
    made = Progress("s", 1, "cpu", 4.0, {}, seconds=10.0)
    made.begin("search", 2, total)
    made.phase.done, made.seconds = done, 40.0
    return made


def test_time_left_follows_from_what_this_run_has_done() -> None:
    assert progress(done=5, total=9).seconds_left == pytest.approx(40.0)


def test_nothing_is_estimated_before_the_first_result() -> None:
    assert progress(done=2, total=9).seconds_left is None


def test_a_phase_of_arms_that_come_after_the_others_has_their_names() -> None:
    made = Progress("s", 1, "cpu", 4.0, {}, turn="flat_moe")
    made.begin("search", 0, 5)
    assert made.phase.name == "search of flat_moe"


def test_jobs_of_later_phases_are_left_too() -> None:
    made = progress(done=5, total=9)
    made.ahead = 2
    assert made.seconds_left == pytest.approx(60.0)
