"""Turns: search all arms and train their finalists, arms that take another's size after the others.

Within a budget of time, the trials come in rounds: as many as fit.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from hinet_search.search.arm_search import ArmSearch
from hinet_search.search.context import PhaseContext
from hinet_search.search.dispatch import Drive
from hinet_search.search.phases.finalists import (
    Candidate,
    candidates_of,
    choose,
    finalist_queue,
    keys_of,
    runs_of,
)
from hinet_search.search.phases.trials import TrialPhase, TrialsThenFinalists
from hinet_search.search.plan.plan import PreparedStudy
from hinet_search.search.plan.size_limits import SizeLimits
from hinet_search.search.progress import Event
from hinet_search.search.time_budget import FIRST_ROUND, Spent, next_round, seconds_left
from hinet_search.study.load_study import Arm
from hinet_search.study.study_spec import StudySpec


class Turns:
    """The searches of a study's arms, in turns. `elapsed` are the seconds of the study so far."""

    def __init__(
        self,
        ready: PreparedStudy,
        searches: Sequence[ArmSearch],
        context: PhaseContext,
        drive: Drive,
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
        """Run the trials and finalists of all arms; return the candidates.

        Within a budget of time, the first turn finds how many trials all arms get.
        """
        candidates: list[Candidate] = []
        first = [search for search in self._searches if not search.waits_for_size]
        second = [search for search in self._searches if search.waits_for_size]
        num_searched = 0
        for turn, later in ((first, second), (second, [])):
            if not turn:
                continue
            spec = self._context.spec
            self._begin(turn, later, candidates)
            is_first = num_searched == 0
            num_searched += len(turn)
            if spec.budget is not None and is_first:
                self._search_in_time(turn)
                self._progress.ahead = self._jobs_ahead([], later)
                runs = runs_of(turn, self._context.spec)
                stored = keys_of(self._context.store.finalists())
                self._drive(finalist_queue(runs, stored, self._context))
            else:
                limit = math.inf
                if spec.wall_clock_minutes is not None:
                    limit = 60 * spec.wall_clock_minutes * num_searched / len(self._searches)
                self._drive(self._trials_then_finalists(turn, later, limit))
            for search in turn:
                self._context.store.record_importances(search.arm.name, search.importances())
            candidates += candidates_of(turn, spec.finalists)
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
        """Count, at most, the jobs after the trials of a turn."""
        arms = [search.arm for search in later]
        return jobs_ahead(self._context.spec, arms, [*arms, *(search.arm for search in turn)])

    def _trials_then_finalists(
        self, turn: list[ArmSearch], later: list[ArmSearch], limit: float
    ) -> TrialsThenFinalists:
        """Return the trials of some arms, and the finalists of each when its trials have ended."""
        trials = TrialPhase(turn, self._context, self._seconds, limit)

        def trials_ended() -> None:
            self._seconds += trials.seconds
            self._progress.ahead = self._jobs_ahead([], later)

        return TrialsThenFinalists(trials, self._context, trials_ended)

    def _search_in_time(self, turn: list[ArmSearch]) -> None:
        """Run rounds of trials of some arms while more fit into the budget of time."""
        most = self._context.spec
        num_arms = len(self._searches)
        trials = min(most.trials, max(FIRST_ROUND, *(search.begun for search in turn)))
        phase: TrialPhase | None = None
        while True:
            self._allow(trials)
            limit = self._seconds + seconds_left(most, turn, num_arms, self._spent(trials))
            begun = sum(search.begun for search in turn)
            is_first = phase is None
            if phase is None:
                phase = TrialPhase(turn, self._context, self._seconds, limit)
            else:
                phase.go_on(self._context, self._seconds, limit)
            self._drive(phase)
            self._seconds += phase.seconds
            following = next_round(most, turn, num_arms, self._spent(trials))
            self._context.watcher.event(Event("budget", following.words))
            is_stuck = not is_first and sum(search.begun for search in turn) == begun
            if following.trials == trials or is_stuck:  # no arm has anything left to try
                self._progress.until = None
                return
            trials = following.trials

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
        """Give an arm the size of the finalist that represents the arm it names."""
        name = search.arm.size_of
        finalists = self._context.store.finalists().get(name, ())
        numbers = {each.trial_number for each in candidates if each.arm.name == name}
        if chosen := choose(finalists, numbers, self._context.spec):
            size = chosen.runs[0].cost.dense_parameters
        else:
            study = self._ready.study
            size = SizeLimits.of(self._ready.dataset, study).size_of_default(name, study.arms)
        search.take_size(size)
        self._context.watcher.event(
            Event("size", f"{search.arm.name} gets the size of {name}: {size:,} dense parameters")
        )


def jobs_ahead(spec: StudySpec, searched: Sequence[Arm], retrained: Sequence[Arm]) -> int:
    """Count, at most, trials of some arms, finalist trainings of others and later trainings."""
    trials = sum(arm.most_trials(spec) for arm in searched)
    finalists = sum(arm.most_finalists(spec) for arm in retrained)
    return trials + finalists * spec.finalists.seeds + spec.most_later_trainings
