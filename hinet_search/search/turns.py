"""Turns: search all arms and train their finalists, arms that take another's size after the others.

Within a budget of time, the trials come in rounds: as many as fit.
"""

from collections.abc import Callable
from dataclasses import replace

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
from hinet_search.search.time_budget import FIRST_ROUND, Spent, next_round, seconds_left


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
