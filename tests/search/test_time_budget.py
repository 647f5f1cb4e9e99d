"""A study with a budget of time has as many trials of every arm as fit, and ends in time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from pydantic import TypeAdapter, ValidationError

from hinet_search.common.frozen_model import Duration
from hinet_search.search.progress import ArmProgress, value_text
from hinet_search.search.time_budget import Round, Spent, expected_gain, next_round
from hinet_search.study.study_spec import StudySpec
from tests.search import studies

MINUTES = TypeAdapter(Duration)


@dataclass
class Value:
    value: float


@dataclass
class Search:
    """What a round asks of an arm whose trainings take ten seconds."""

    values: Sequence[float] = ()
    pruned: int = 0
    budget: int = 10**6
    seconds_of_training: float = 10.0
    started: int = 4
    exhausted: bool = False

    def complete_trials(self) -> list[Value]:
        return [Value(value) for value in self.values]

    def progress(self) -> ArmProgress:
        return ArmProgress("hinet", self.budget, pruned=self.pruned)


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


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"budget": "2h", "wall_clock_minutes": 5}, "takes budget, the time of the study, or wall"),
        ({"least_gain": 0.001}, "takes least_gain only with a budget"),
    ],
)
def test_a_study_has_one_limit_of_time_and_least_gain_needs_it(
    values: dict[str, object], problem: str
) -> None:
    with pytest.raises(ValidationError, match=problem):
        studies.spec(**values)


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


def test_the_search_ends_when_another_hour_would_bring_too_little() -> None:
    tight = Search([0.7 + 0.00001 * number for number in reversed(range(8))])
    following = after(8, tight, searched=4000.0, seconds=4000.0, budget="2h", least_gain=0.001)
    assert following.trials == 8
    assert following.words == (
        "an hour brought at most about .0000 in any arm so far, less than least_gain 0.001"
    )
    wide = Search([0.64, 0.62, 0.6, 0.58, 0.56, 0.54, 0.52, 0.5])
    both = after(
        8, tight, wide, searched=4000.0, seconds=4000.0, num_arms=2, budget="2h", least_gain=0.001
    )
    assert both.trials > 8, "an arm still gains"


def told(*searches: Search, searched: float = 3600.0, **values: object) -> str:
    """What is told after eight trials, of which an hour has as many, in a long study."""
    return after(8, *searches, searched=searched, seconds=searched, budget="9h", **values).words


def brought(values: Sequence[float], trials: int, of_hour: int) -> str:
    return (
        f"an hour brought at most about "
        f"{value_text(expected_gain(values, trials) * of_hour / trials)} in any arm so far"
    )


DOWN = [0.64, 0.62, 0.6, 0.58, 0.56, 0.54, 0.52, 0.4]


def test_half_of_the_trials_tell_in_proportion_what_an_hour_brought() -> None:
    assert told(Search(DOWN)).endswith(brought(DOWN, 4, 8))
    # four trials an hour
    assert told(Search(DOWN), searched=7200.0).endswith(brought(DOWN, 4, 4))
    assert told(Search(DOWN), searched=14400.0).endswith(brought(DOWN, 2, 2))


def test_fewer_trials_than_an_hour_has_tell_nothing() -> None:
    assert "hour" not in told(Search(DOWN), searched=3200.0)


def test_where_less_is_better_the_forecast_is_of_lower_values() -> None:
    losses = DOWN[::-1]
    words = told(Search(losses), objective="logloss")
    assert words.endswith(brought([-value for value in losses], 4, 8))


def test_pruned_trials_count_as_the_worst() -> None:
    four = [0.62, 0.61, 0.6, 0.5]
    assert "hour" not in told(Search(four)), "four trials forecast nothing"
    assert told(Search(four, pruned=4)).endswith(brought([*four, 0.5, 0.5, 0.5, 0.5], 4, 8))


def test_an_arm_that_is_searched_whole_promises_nothing() -> None:
    tight = Search([0.7] * 8)
    wide = Search([0.64, 0.62, 0.6, 0.58, 0.56, 0.54, 0.52, 0.5], exhausted=True)
    following = after(
        8, tight, wide, searched=4000.0, seconds=4000.0, num_arms=2, budget="2h", least_gain=1e-9
    )
    assert following.trials == 8


def test_spaces_that_are_searched_whole_end_the_search() -> None:
    words = "the space of every arm is searched whole"
    assert after(8, Search(budget=6)) == Round(8, words)
    assert after(8, Search(exhausted=True)) == Round(8, words)


def test_trials_that_took_no_time_are_followed_by_others() -> None:
    assert after(4, searched=0.0).trials == 8
