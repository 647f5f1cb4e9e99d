"""Time budget: how many trials of every arm fit into the hours of a study.

The search runs in rounds. After each, its own speed says what finalists and later trainings will
take, and how many more trials fit; a round at most doubles the trials.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor
from statistics import mean

from hinet_search.common.amounts import counted
from hinet_search.results.objectives import Objective
from hinet_search.search.arm_search import ArmSearch
from hinet_search.search.progress import value_text
from hinet_search.study.study_spec import StudySpec

FIRST_ROUND = 1  # trial: the default
HOUR = 3600.0
FEWEST_TO_JUDGE = 8
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
    gain = _most_gain(spec, searches, max(1, round(HOUR / of_one_more)))
    trials = min(spec.trials, spent.trials + min(fitting, spent.trials))
    more = f"{done} done, {fitting} more fit"
    if gain is None:
        return Round(trials, more)
    words = f"an hour brought at most about {value_text(gain)} in any arm so far"
    if gain < spec.least_gain:
        return Round(spent.trials, f"{words}, less than least_gain {spec.least_gain:g}")
    return Round(trials, f"{more}; {words}")


def seconds_left(
    spec: StudySpec, searches: Sequence[ArmSearch], num_arms: int, spent: Spent
) -> float:
    """Return what the budget leaves for trials, after finalists and all later trainings."""
    assert spec.budget is not None, "asked of a study with a budget of time"
    # Finalists, choices, students and refits are assumed to take as long as trials.
    of_training = mean([search.seconds_of_training for search in searches])
    finalists = spec.finalists.most(spent.trials) * spec.finalists.seeds * num_arms
    refits = spec.finalists.seeds if spec.finalists.refit else 0
    later = of_training * (finalists + spec.most_later_trainings + refits)
    return 60 * spec.budget - spent.seconds - later / spent.slots


def _most_gain(spec: StudySpec, searches: Sequence[ArmSearch], hour: int) -> float | None:
    """Return what an hour's trials brought in the arm that gained most.

    It is what the last `hour` trials brought on average over all orders of them, or in proportion
    what the last half did. None after fewer trials than an hour has. The next hour may bring more:
    a sampler that learns does so in most studies (docs/results/claims.md).
    """
    sign = Objective(spec.objective).sign
    gains = []
    for search in searches:
        if search.exhausted:
            continue
        complete = search.complete_trials()
        values = [sign * trial.value for trial in complete if trial.value is not None]
        values += values[-1:] * search.progress().pruned  # as bad as the worst complete one
        if len(values) < max(hour, FEWEST_TO_JUDGE):
            return None
        last = min(hour, len(values) // 2)
        gains.append(expected_gain(values, last) * hour / last)
    return max(gains, default=0.0)


def expected_gain(values: Sequence[float], more: int) -> float:
    """Return how much the last `more` of some trials raised the best value; larger is better.

    It is the average over all orders of them: the best of all, less the expected best of a random
    part that leaves so many out. A gain of more trials than half of these cannot be told by them.
    As many further trials bring more in a sixth of arms if all are random, and in most arms if they
    learn from earlier ones: it is no bound on what comes (docs/results/claims.md).

    Source: the expected maximum of a sample without replacement, by order statistics.
    """
    assert 0 < more <= len(values) // 2, "a part of the values is left out"
    ranked = sorted(values, reverse=True)
    num_kept = len(ranked) - more
    expected, all_others = 0.0, 1.0  # the probability that no better value was kept
    for rank, value in enumerate(ranked):
        others = len(ranked) - rank
        share = min(1.0, num_kept / others)  # that the best of those left is in the kept part
        expected += all_others * share * value
        all_others *= 1 - share
    return max(0.0, ranked[0] - expected)  # rounding
