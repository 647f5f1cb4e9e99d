"""Turns: search all arms and train their finalists, arms that take another's size after the others.

Within a budget of time the search runs in rounds. After each, its own speed says what finalists and
later trainings will take, and how many more trials fit; a round at most doubles the trials.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import floor
from statistics import mean

from hinet_search.common.amounts import counted
from hinet_search.results.objectives import Objective
from hinet_search.results.trade_offs import Objectives
from hinet_search.search.arm_search import ArmSearch
from hinet_search.search.context import PhaseContext
from hinet_search.search.dispatch import Phases
from hinet_search.search.phases.finalists import Candidate, candidates_of, choose
from hinet_search.search.phases.trials import TrialPhase, TrialsThenFinalists
from hinet_search.search.plan.forecast import forecast
from hinet_search.search.plan.prepare import PreparedStudy
from hinet_search.search.plan.size_limits import SizeLimits
from hinet_search.search.progress import Event
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


class Turns:
    """The searches of a study's arms, in turns. `elapsed` are the seconds of the study so far."""

    def __init__(
        self, ready: PreparedStudy, context: PhaseContext, elapsed: Callable[[], float]
    ) -> None:
        self._slots = ready.slots
        self._context = context
        self._elapsed = elapsed
        self._progress = context.progress
        spec = context.spec
        self._limits = SizeLimits.of(ready.dataset, ready.study)
        objectives = Objectives(Objective(spec.objective), spec.other_objectives)
        self._searches = [
            ArmSearch(arm, spec, objectives, context.store, self._limits.refusal)
            for arm in ready.study.arms
        ]
        self._seconds = sum(search.seconds for search in self._searches) / ready.slots  # of search

    def run(self) -> Phases[list[Candidate]]:
        """Run the trials and finalists of all arms; return the candidates.

        Within a budget of time, the first turn finds how many trials all arms get.
        """
        candidates: list[Candidate] = []
        sized = [search for search in self._searches if search.waits_for_size]
        others = [search for search in self._searches if search not in sized]
        finalists = self._context.spec.finalists
        turns = [turn for turn in (others, sized) if turn]
        for turn in turns:
            later = turns[-1] if turn is not turns[-1] else []
            self._begin(turn, later, candidates)
            if self._context.spec.budget is not None and turn is turns[0]:
                trials = yield from self._rounds(turn)
            else:
                trials = TrialPhase(turn, self._context)
            yield TrialsThenFinalists(trials, self._context, self._jobs_ahead([], later))
            for search in turn:
                self._context.store.record_importances(search.arm.name, search.importances())
            candidates += candidates_of(turn, finalists)
        self._progress.turn = ""
        return candidates

    def _begin(
        self, turn: list[ArmSearch], later: list[ArmSearch], candidates: list[Candidate]
    ) -> None:
        """Set the progress to a turn, and give its arms the sizes that they wait for."""
        self._progress.ahead = self._jobs_ahead(turn, later)
        waiting = [search for search in turn if search.waits_for_size]
        self._progress.turn = ", ".join(search.arm.name for search in waiting)
        for search in waiting:
            self._give_size(search, candidates)

    def _jobs_ahead(self, turn: list[ArmSearch], later: list[ArmSearch]) -> int:
        """Count, at most, the trainings after the trials of a turn."""
        spec = self._context.spec
        trials = [search.arm.most_trials(spec) for search in later]
        retrained = [search.arm.most_trials(spec) for search in turn]
        ahead = forecast(spec, trials, [*retrained, *trials])
        return ahead.trials + ahead.finalists + ahead.later

    def _rounds(self, turn: list[ArmSearch]) -> Phases[TrialPhase]:
        """Run rounds of trials of some arms while more fit into the budget of time."""
        most = self._context.spec
        num_arms = len(self._searches)
        trials = min(most.trials, max(FIRST_ROUND, *(search.begun for search in turn)))
        phase = TrialPhase(turn, self._context)
        begun_before = -1
        while True:
            self._allow(trials)
            left = seconds_left(most, turn, num_arms, self._spent(trials))
            phase.go_on(self._context, left)
            yield phase
            self._seconds += phase.seconds
            following = next_round(most, turn, num_arms, self._spent(trials))
            self._context.watcher.event(Event("budget", following.words))
            begun = sum(search.begun for search in turn)
            if following.trials == trials or begun == begun_before:  # nothing is left to try
                self._progress.until = None
                return phase
            begun_before = begun
            trials = following.trials

    def _spent(self, trials: int) -> Spent:
        # A killed launch left no trace of its time but that of its trials.
        seconds = max(self._elapsed(), self._seconds)
        return Spent(trials, self._seconds, seconds, self._slots)

    def _allow(self, trials: int) -> None:
        """Let all arms have so many trials, and store that as their budget."""
        spec = self._context.spec.model_copy(update={"trials": trials})
        self._context = replace(self._context, spec=spec)
        for search in self._searches:
            search.allow(trials)
            self._progress.arms[search.arm.name].budget = search.budget
        store = self._context.store
        stored = store.load_study()
        assert stored is not None, "it was written before it runs"
        store.continue_study(replace(stored, budget=replace(stored.budget, trials=trials)), ())

    def _give_size(self, search: ArmSearch, candidates: list[Candidate]) -> None:
        """Give an arm the size of the finalist that represents the arm it names."""
        name = search.arm.size_of
        finalists = self._context.store.finalists().get(name, ())
        numbers = {each.trial_number for each in candidates if each.arm.name == name}
        if chosen := choose(finalists, numbers, self._context.spec):
            size = chosen.runs[0].cost.dense_parameters
        else:
            arms = [each.arm for each in self._searches]
            size = self._limits.size_of_default(name, arms)
        search.take_size(size)
        self._context.watcher.event(
            Event("size", f"{search.arm.name} gets the size of {name}: {size:,} dense parameters")
        )
