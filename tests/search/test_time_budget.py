"""A study with a budget of time has as many trials of every arm as fit, and ends in time."""

from dataclasses import dataclass, replace

import pytest
from pydantic import TypeAdapter, ValidationError

from hinet_search.common.frozen_model import Duration
from hinet_search.search.turns import Round, Spent, next_round
from hinet_search.study.study_spec import StudySpec
from tests.search import studies

MINUTES = TypeAdapter(Duration)


@dataclass
class Search:
    """What a round asks of an arm whose trainings take ten seconds."""

    budget: int = 10**6
    seconds_of_training: float = 10.0
    started: int = 4
    exhausted: bool = False


def spec(**values: object) -> StudySpec:
    return studies.spec(
        **{"budget": "10m", "finalists": {"top": 3, "seeds": 2}, "trials": 1000, **values}
    )


def after(
    done: int,
    *searches: Search,
    searched: float = 80.0,
    seconds: float = 90.0,
    num_arms: int = 1,
    slots: int = 1,
    **values: object,
) -> Round:
    arms = [replace(search, started=done) for search in searches or [Search()]]
    spent = Spent(done, searched, seconds, slots)
    return next_round(spec(**values), arms, num_arms, spent)  # type: ignore[arg-type]  # the part that is asked


@pytest.mark.parametrize(
    ("written", "minutes"),
    [("2h", 120), ("90m", 90), ("1h 30m", 90), ("1h30m", 90), ("45s", 0.75), (" 0.5h ", 30)],
)
def test_a_time_has_hours_minutes_and_seconds(written: str, minutes: float) -> None:
    assert MINUTES.validate_python(written) == minutes


@pytest.mark.parametrize(
    "written", ["", "2", 2, "2 days", "h", "-1h", "0m", "m2", None, "1e9h", "1.2.3h"]
)
def test_no_other_time_is_taken(written: object) -> None:
    with pytest.raises(ValidationError):
        MINUTES.validate_python(written)


REFIT = {"top": 3, "seeds": 2, "refit": True}
TEACHING = {"students": ["hinet"], "trials": 4, "top": 2}
CHOICES = {"seeds": 2, "most": 3}


@pytest.mark.parametrize(
    ("done", "values", "fitting"),
    [
        # 600 s - 90 s - 4 finalists x 2 seeds x 10 s = 430 s; a trial takes 20 s
        pytest.param(4, {}, 21, id="what finalists need is left for them"),
        pytest.param(16, {"searched": 320.0, "seconds": 330.0}, 9, id="and what was searched"),
        pytest.param(2, {"searched": 40.0}, 23, id="finalists are at most the trials"),
        pytest.param(4, {"slots": 2}, 23, id="finalists share the slots"),
        pytest.param(4, {"finalists": REFIT}, 20, id="20 s of refits"),
        pytest.param(4, {"teaching": TEACHING}, 16, id="4 trials and 3 x 2 finalists of a student"),
        pytest.param(4, {"choices": CHOICES}, 16, id="2 x (2 + 3) trainings of 10 s for choices"),
        pytest.param(4, {"num_arms": 2}, 8, id="a later arm counts as one of now"),
        # 600 s - 490 s - 80 s of finalists = 30 s
        pytest.param(16, {"searched": 320.0, "seconds": 490.0}, 1, id="a single one is taken"),
        pytest.param(16, {"searched": 320.0, "seconds": 510.0}, 0, id="none fits any more"),
    ],
)
def test_as_many_trials_come_as_fit_beside_all_that_follows_at_most_twice_as_many(
    done: int, values: dict[str, object], fitting: int
) -> None:
    words = f"{done} trials of every arm done, {fitting} more fit"
    if not fitting:
        words = f"time is up after {done} trials of every arm"
    assert after(done, **values) == Round(done + min(done, fitting), words)


def test_written_trials_are_the_most() -> None:
    assert after(4, trials=6).trials == 6
    assert after(6, trials=6) == Round(6, "6 trials of every arm, the most of the study, are done")


def test_spaces_that_are_searched_whole_end_the_search() -> None:
    words = "the space of every arm is searched whole"
    assert after(8, Search(budget=6)) == Round(8, words)
    assert after(8, Search(exhausted=True)) == Round(8, words)


def test_trials_that_took_no_time_are_followed_by_others() -> None:
    assert after(4, searched=0.0).trials == 8
