"""Turns: search all arms and train their finalists, arms that take another's size after the others.

Within a budget of time, the trials come in rounds: as many as fit.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from hinet_search.results.objectives import Objective
from hinet_search.search.arm_search import ArmSearch
from hinet_search.search.context import PhaseContext
from hinet_search.search.dispatch import Phase
from hinet_search.search.phases.finalists import (
    Candidate,
    FinalistPhase,
    candidates_of,
    choose,
    paired_seeds,
    runs_of,
    serving_limits,
)
from hinet_search.search.phases.trials import TrialPhase
from hinet_search.search.phases.trials_then_finalists import TrialsThenFinalists
from hinet_search.search.plan.plan import PreparedStudy
from hinet_search.search.plan.size_limits import SizeLimits
from hinet_search.search.progress import Event
from hinet_search.search.time_budget import FIRST_ROUND, Spent, next_round, seconds_left


class Turns:
    """The searches of a study's arms, in turns. `elapsed` are the seconds of the study so far."""

    def __init__(
        self,
        ready: PreparedStudy,
        searches: Sequence[ArmSearch],
        context: PhaseContext,
        drive: Callable[[Phase], None],
        elapsed: Callable[[], float],
    ) -> None:
        self._ready = ready
        self._searches = searches
        self._context = context
        self._drive = drive
        self._elapsed = elapsed
        self._progress = context.progress
        self._seconds = sum(search.seconds for search in searches) / ready.slots  # searched so far

    def run(self) -> list[Candidate]:
        """Run the trials and finalists of all arms; return the candidates."""
        candidates: list[Candidate] = []
        turns = _in_turns(self._searches)
        for index, turn in enumerate(turns):
            later = [search for later_turn in turns[index + 1 :] for search in later_turn]
            self._begin(turn, later, candidates)
            share = sum(map(len, turns[: index + 1])) / len(self._searches)
            self._search(turn, later, share, is_first=index == 0)
            candidates += candidates_of(turn, self._context.spec.finalists)
        self._progress.turn = ""
        return candidates

    def _begin(
        self, turn: list[ArmSearch], later: list[ArmSearch], candidates: list[Candidate]
    ) -> None:
        """Set the progress to a turn, and give its arms the sizes that they wait for."""
        self._progress.ahead = self._jobs_ahead(turn, later)
        waiting = [search.arm.name for search in turn if search.waits_for_size]
        self._progress.turn = ", ".join(waiting)
        for search in turn:
            self._give_size(search, candidates)

    def _jobs_ahead(self, turn: list[ArmSearch], later: list[ArmSearch]) -> int:
        """Count, at most, the finalist trainings of these arms and all later trainings."""
        spec = self._context.spec
        finalists = sum(search.arm.most_finalists(spec) for search in (*turn, *later))
        trials = sum(search.arm.most_trials(spec) for search in later)
        return finalists * spec.finalists.seeds + trials + spec.most_student_trainings

    def _search(
        self, turn: list[ArmSearch], later: list[ArmSearch], share: float, *, is_first: bool
    ) -> None:
        """Run the trials of some arms, and train their finalists.

        `share` is what these and earlier arms may use of the time of the search. Within a budget of
        time, the first turn finds how many trials all arms get.
        """
        spec = self._context.spec
        limit = math.inf
        if spec.budget is not None and is_first:
            self._search_in_time(turn)
            self._progress.ahead = self._jobs_ahead([], later)
            stored = self._context.store.finalists()
            self._drive(FinalistPhase.of(runs_of(turn, spec), stored, self._context))
        else:
            if spec.wall_clock_minutes is not None:
                limit = share * 60 * spec.wall_clock_minutes
            self._search_and_retrain(turn, later, limit)
        for search in turn:
            self._context.store.record_importances(search.arm.name, search.importances())

    def _search_and_retrain(
        self, turn: list[ArmSearch], later: list[ArmSearch], limit: float
    ) -> None:
        """Run the trials of some arms; train the finalists of each when its trials have ended."""
        trials = TrialPhase(turn, self._context, self._seconds, limit)
        finalists = FinalistPhase(self._context.store.finalists(), self._context)

        def trials_ended() -> None:
            self._seconds += trials.seconds
            self._progress.ahead = self._jobs_ahead([], later)

        self._drive(TrialsThenFinalists(trials, finalists, self._context.spec, trials_ended))

    def _finish(self, phase: TrialPhase) -> None:
        self._drive(phase)
        self._seconds += phase.seconds

    def _search_in_time(self, turn: list[ArmSearch]) -> None:
        """Run rounds of trials of some arms while more fit into the budget of time."""
        most = self._context.spec
        num_arms = len(self._searches)
        trials = min(most.trials, max(FIRST_ROUND, *(search.begun for search in turn)))
        phase: TrialPhase | None = None
        num_rounds = 0
        while True:
            self._allow(trials)
            limit = self._seconds + seconds_left(most, turn, num_arms, self._spent(trials))
            begun = sum(search.begun for search in turn)
            if phase is None:
                phase = TrialPhase(turn, self._context, self._seconds, limit)
            else:
                phase.go_on(self._context, self._seconds, limit)
            self._finish(phase)
            following = next_round(most, turn, num_arms, self._spent(trials))
            self._context.watcher.event(Event("budget", following.words))
            is_stuck = num_rounds > 0 and sum(search.begun for search in turn) == begun
            if following.trials == trials or is_stuck:  # no arm has anything left to try
                self._progress.until = None
                return
            trials = following.trials
            num_rounds = num_rounds + 1

    def _spent(self, trials: int) -> Spent:
        # A killed launch left no trace of its time but that of its trials.
        seconds = max(self._elapsed(), self._seconds)
        return Spent(trials, self._seconds, seconds, self._ready.slots)

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
        """Give a waiting arm the size of the finalist that represents the arm it names."""
        if not search.waits_for_size:
            return
        spec = self._context.spec
        name = search.arm.size_of
        numbers = {candidate.trial_number for candidate in candidates if candidate.arm.name == name}
        eligible = [
            finalist
            for finalist in self._context.store.finalists().get(name, ())
            if finalist.trial_number in numbers
        ]
        objective = Objective(spec.objective)
        chosen = choose(eligible, objective, paired_seeds(spec), serving_limits(spec))
        size = chosen.runs[0].cost.dense_parameters if chosen else self._size_of_default(name)
        search.take_size(size)
        self._context.watcher.event(
            Event("size", f"{search.arm.name} gets the size of {name}: {size:,} dense parameters")
        )

    def _size_of_default(self, name: str) -> int:
        study = self._ready.study
        return SizeLimits.of(self._ready.dataset, study).size_of_default(name, study.arms)


def _in_turns(searches: Sequence[ArmSearch]) -> list[list[ArmSearch]]:
    """Group the arms: those that wait for another arm's size come after all others."""
    first = [search for search in searches if not search.waits_for_size]
    second = [search for search in searches if search.waits_for_size]
    return [turn for turn in (first, second) if turn]
