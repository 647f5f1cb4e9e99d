"""Time budget: how many trials of every arm fit into the hours of a study.

The search runs in rounds. After each, its own speed says what finalists and later trainings will
take, and how many more trials fit; a round at most doubles the trials.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, inf

from hinet_search.results.objectives import Objective
from hinet_search.results.statistics.expected_gain import expected_gain
from hinet_search.search.arm_search import ArmSearch
from hinet_search.search.progress import value_text
from hinet_search.study.study_spec import StudySpec

FIRST_ROUND = 4  # trials; as many as the median pruner waits for
FEWEST_TO_FORECAST = 8


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
    assert spec.budget is not None, "asked of a study with a budget of time"
    trials = spent.trials
    of_one_more = spent.searched / trials * num_arms / len(searches)  # seconds, of all arms
    later = _seconds_of_later(spec, searches, num_arms) / spent.slots
    left = 60 * spec.budget - spent.seconds - later
    fitting = min(floor(left / max(of_one_more, 1e-9)), spec.trials - trials)
    if all(search.budget < trials for search in searches):
        return Round(trials, "the space of every arm is searched whole")
    if fitting < 1:
        return Round(trials, f"the time is used with {trials} trials of every arm")
    hour = max(1, round(3600 / of_one_more))
    maximize = Objective(spec.objective).maximize
    gain = max(_gain(search, hour, maximize=maximize) for search in searches)
    forecast = (
        "" if gain == inf else f"another hour would bring about {value_text(gain)} in the best arm"
    )
    if gain < spec.least_gain:
        return Round(trials, f"{forecast}, less than least_gain {spec.least_gain:g}")
    more = min(fitting, trials)
    words = f"{trials} trials of every arm are done, {fitting} more fit into the budget"
    return Round(trials + more, f"{words}; {forecast}" if forecast else words)


def _gain(search: ArmSearch, more: int, *, maximize: bool) -> float:
    """Forecast what more trials bring; infinity after too few. Pruned ones count as the worst."""
    sign = 1.0 if maximize else -1.0
    values = [sign * trial.value for trial in search.complete_trials() if trial.value is not None]
    values += values[-1:] * search.counts().pruned
    return expected_gain(values, more) if len(values) >= FEWEST_TO_FORECAST else inf


def _seconds_of_later(spec: StudySpec, searches: Sequence[ArmSearch], num_arms: int) -> float:
    """Estimate the training of finalists, students and refits, if they take as long as trials."""
    means = [search.seconds_of_training for search in searches]
    mean = sum(means) / len(means)
    of_finalists = sum(
        search.arm.most_finalists(spec) * seconds
        for search, seconds in zip(searches, means, strict=True)
    )
    whole = of_finalists * spec.finalists.seeds * num_arms / len(searches)
    refits = spec.finalists.seeds if spec.finalists.refit else 0
    return whole + mean * (spec.most_student_trainings + refits)
