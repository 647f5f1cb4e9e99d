"""Time budget: how many trials of every arm fit into the hours of a study.

The search runs in rounds. After each, its own speed says what finalists and later trainings will
take, and how many more trials fit; a round at most doubles the trials.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor
from statistics import mean

from hinet_search.common.amounts import counted
from hinet_search.search.arm_search import ArmSearch
from hinet_search.search.plan.forecast import forecast
from hinet_search.study.study_spec import StudySpec

FIRST_ROUND = 1  # trial: the default
SHORTEST = 1e-6  # seconds of a trial


@dataclass(frozen=True)
class Round:
    """The trials that every arm may have had after the next round, and why, in words."""

    trials: int
    words: str


@dataclass(frozen=True)
class Spent:
    """What a study has spent: trials of every arm, seconds of search, and seconds of all phases."""

    trials: int
    searched: float
    seconds: float
    slots: int


def next_round(
    spec: StudySpec, searches: Sequence[ArmSearch], num_arms: int, spent: Spent
) -> Round:
    """Return the next round of a study with a budget of time.

    `searches` are the arms that are searched now, of `num_arms` in all; the trials in `spec` are
    the most that an arm may have. Without a further round, trials are what they were.
    """
    done = f"{counted(spent.trials, 'trial')} of every arm"
    if all(search.exhausted or search.budget < spent.trials for search in searches):
        return Round(spent.trials, "the space of every arm is searched whole")
    if spent.trials >= spec.trials:
        return Round(spent.trials, f"{done}, the most of the study, are done")
    started = max(1, sum(search.started for search in searches))
    of_one_more = max(SHORTEST, spent.searched / started * num_arms)  # seconds, of all arms
    fitting = floor(seconds_left(spec, searches, num_arms, spent) / of_one_more)
    if fitting < 1:
        return Round(spent.trials, f"time is up after {done}")
    trials = min(spec.trials, spent.trials + min(fitting, spent.trials))
    return Round(trials, f"{done} done, {fitting} more fit")


def seconds_left(
    spec: StudySpec, searches: Sequence[ArmSearch], num_arms: int, spent: Spent
) -> float:
    """Return what the budget leaves for trials, after finalists and all later trainings."""
    assert spec.budget is not None, "asked of a study with a budget of time"
    # Finalists, choices, students and refits are assumed to take as long as trials.
    of_training = mean([search.seconds_of_training for search in searches])
    ahead = forecast(spec, [spent.trials] * num_arms)
    later = of_training * (ahead.finalists + ahead.later)
    return 60 * spec.budget - spent.seconds - later / spent.slots
