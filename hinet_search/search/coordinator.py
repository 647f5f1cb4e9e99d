"""Coordinator: one run of a study: trials, finalists, and one opening of the test split per arm."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from hinet_search import faults
from hinet_search.errors import AllTrialsFailed, Interrupted, MayPass
from hinet_search.executors import Executor
from hinet_search.objective import Objective
from hinet_search.patience import Patience, impatient
from hinet_search.records import FinalistRecord
from hinet_search.search.admission import Admission
from hinet_search.search.arm_search import ArmSearch
from hinet_search.search.dispatch import Phase, StopFlag, clock, drive
from hinet_search.search.finalists import (
    Candidate,
    FinalistPhase,
    OpeningPhase,
    Run,
    candidates_of,
    choose,
    paired_seeds,
)
from hinet_search.search.plan import Ready
from hinet_search.search.progress import ArmProgress, Event, Progress, Watcher, value_text
from hinet_search.search.room import Room
from hinet_search.search.silence import Silence
from hinet_search.search.summaries import SummaryPhase, to_summarise
from hinet_search.search.trials import TrialPhase
from hinet_search.storage.store import StudyStore
from hinet_search.study import Arm
from hinet_search.training.checkpoint import SUFFIX
from hinet_search.trial import weights_path

LEASE_RENEWAL_SECONDS = 10.0


class Coordinator:
    """Drives a study's phases on an executor and keeps its state in the database true."""

    def __init__(self, ready: Ready, store: StudyStore, artifacts: Path, watcher: Watcher) -> None:
        self._ready = ready
        self._spec = ready.study.spec
        self._stop = StopFlag()
        patience = Patience(self._say, lambda: self._stop.asked)
        self._store = replace(store, patience=patience)
        self._artifacts = artifacts
        self._watcher = watcher
        self._objective = Objective(self._spec.objective)
        stored = store.load_study()
        self._seconds_before = stored.seconds if stored else 0.0
        self._seconds = clock()
        self._silence = Silence(60 * self._spec.silence_minutes)
        self._renewed = 0.0
        self._slots_wait = ""
        arms = {arm.name: ArmProgress(arm.name, self._spec.trials) for arm in ready.study.arms}
        self._progress = Progress(
            ready.study.name, ready.slots, str(ready.device.device), self._spec.passes, arms,
            rows=ready.dataset.record.rows[0], maximize=self._objective.maximize,
        )  # fmt: skip

    def run(self, executor: Executor) -> None:
        """All phases. Errors: Interrupted by a signal, AllTrialsFailed."""
        with self._recorded():
            searches = [self._arm_search(arm) for arm in self._ready.study.arms]
            self._leave_notes()
            self._phases(executor, searches)

    def _leave_notes(self) -> None:
        """What Optuna's pages say of every arm until there is a verdict; it is true after a kill too."""
        stored = self._store.load_study()
        assert stored is not None, "it was written before it runs"
        for arm in self._ready.study.arms:
            self._store.leave_note(
                arm.name,
                f"No verdict yet: study {stored.name} is not done. Whether it runs, and how far it is:\n\n"
                f"    hinet-search status\n\n"
                f"Arm {arm.name} has {self._spec.trials} trials to make. What runs it, or goes on with it:\n\n"
                f"    {stored.command}\n",
            )

    @contextmanager
    def _recorded(self) -> Iterator[None]:
        """The study's state and seconds follow what happens inside; signals are heard inside."""
        self._store.set_state("running")
        store, state = self._store, "stopped"
        try:
            with self._stop.listening():
                yield
            state = "done"
        except MayPass:
            store = replace(store, patience=impatient)  # it was waited for
            raise
        finally:
            store.set_state(state, self._seconds_before + self._seconds())
            faults.point("after_state")

    def _phases(self, executor: Executor, searches: list[ArmSearch]) -> None:
        dataset = self._ready.dataset
        room = Room(
            self._spec,
            self._store,
            dataset.folder.absolute(),
            dataset.fingerprint,
            self._artifacts,
            self._progress,
            self._watcher,
            executor.forget,
        )
        candidates: list[Candidate] = []
        searched = sum(search.seconds for search in searches) / self._ready.slots  # by earlier launches
        turns = in_turns(searches)
        for index, turn in enumerate(turns):
            self._progress.ahead = self._jobs_ahead(len(turn), [one for later in turns[index + 1 :] for one in later])
            self._progress.turn = ", ".join(search.arm.name for search in turn if search.waits_for_size)
            for search in turn:
                self._give_size(search, candidates)
            share = sum(map(len, turns[: index + 1])) / len(searches)
            searched += self._search(executor, turn, room, searched, share)
            found = [one for search in turn for one in candidates_of(search, self._spec.finalists.top)]
            runs = [Run(candidate, seed) for seed in paired_seeds(self._spec) for candidate in found]
            self._progress.ahead -= self._jobs_ahead(len(turn), [])
            self._drive(executor, FinalistPhase(runs, self._stored_finalists(), room))
            candidates += found
        self._progress.turn = ""
        if not candidates:
            raise AllTrialsFailed(
                "no trial of the study gave a value; their causes are in the report and the dashboard"
            )
        unseen = self._choose(candidates)
        lost = [run for run in unseen if not run.weights(self._artifacts).exists()]
        self._drive(executor, FinalistPhase(lost, {}, room))
        self._drive(executor, OpeningPhase([run for run in unseen if run.weights(self._artifacts).exists()], room))
        self._drive(executor, SummaryPhase(to_summarise(self._stored_finalists(), paired_seeds(self._spec)), room))
        faults.point("after_phases")
        self._drop_files(room)

    def _jobs_ahead(self, num_arms: int, later: list[ArmSearch]) -> int:
        """Finalist trainings of so many arms whose trials are to come, and all trainings of later arms."""
        finalists = (self._spec.finalists.top + 1) * self._spec.finalists.seeds
        return num_arms * finalists + len(later) * (self._spec.trials + finalists)

    def _search(
        self, executor: Executor, searches: list[ArmSearch], room: Room, seconds_before: float, share: float
    ) -> float:
        """The trials of some arms, and what they say of the parameters; returns the seconds that the trials took."""
        phase = TrialPhase(searches, room, seconds_before=seconds_before, share=share)
        self._drive(executor, phase)
        for search in searches:
            self._store.record_importances(search.arm.name, search.importances())
        return phase.seconds

    def _give_size(self, search: ArmSearch, candidates: list[Candidate]) -> None:
        """An arm without its size yet gets that of the finalist which stands for the arm that it names."""
        if not search.waits_for_size:
            return
        name, finalists = search.arm.size_of, self._stored_finalists()
        numbers = {one.trial_number for one in candidates if one.arm.name == name}
        among = [one for one in finalists.get(name, ()) if one.trial_number in numbers]
        chosen = choose(among, self._objective, paired_seeds(self._spec))
        size = chosen.runs[0].cost.dense_parameters if chosen else self._size_of_default(name)
        search.take_size(size)
        self._watcher.event(Event("size", f"{search.arm.name} gets the size of {name}: {size:,} dense parameters"))

    def _size_of_default(self, name: str) -> int:
        return Admission.of(self._ready.dataset, self._spec).size_of_default(name, self._ready.study.arms)

    def _choose(self, candidates: list[Candidate]) -> list[Run]:
        """Choose each arm's finalist on validation; returns those of its runs that were not seen on test yet.

        Finalists of an earlier launch with another budget are no candidates of this one.
        """
        unseen: list[Run] = []
        seeds = paired_seeds(self._spec)
        for arm, finalists in self._stored_finalists().items():
            by_number = {one.trial_number: one for one in candidates if one.arm.name == arm}
            chosen = choose([one for one in finalists if one.trial_number in by_number], self._objective, seeds)
            if chosen is None:
                continue
            self._store.mark_chosen(arm, chosen.trial_number)
            faults.point("after_choice")
            candidate = by_number[chosen.trial_number]
            unseen += [Run(candidate, run.seed) for run in chosen.runs if run.seed in seeds and run.test_cells is None]
        return unseen

    def _stored_finalists(self) -> Mapping[str, tuple[FinalistRecord, ...]]:
        found = self._store.finalists()
        return {arm.name: found.get(arm.name, ()) for arm in self._ready.study.arms}

    def _drop_files(self, room: Room) -> None:
        """Keep only the weights of the chosen finalists, and no checkpoints; elsewhere nothing."""
        room.drop(room.checkpoints)
        room.forget(self._artifacts)
        room.forget(room.dataset)
        for arm, finalists in self._stored_finalists().items():
            for one in finalists:
                for run in one.runs if not one.chosen else ():
                    weights_path(self._artifacts, arm, one.trial_number, run.seed).unlink(missing_ok=True)

    def _drive(self, executor: Executor, phase: Phase) -> None:
        drive(executor, phase, self._stop, partial(self._tick, executor), self._say, self._silence)
        if self._stop.asked:
            raise Interrupted(self._summary(), signal_number=self._stop.signal_number)

    def _say(self, text: str) -> None:
        self._watcher.event(Event("waiting", text))

    def _summary(self) -> str:
        """What is kept and the best so far, in one line."""
        best = self._progress.best
        said = (
            f"Best so far: {best.name}/{best.best_trial} {value_text(best.best)} (valid)"
            if best and best.best is not None
            else "No value yet"
        )
        trained = sum(arm.trained for arm in self._progress.arms.values())
        checkpoints = len({path.parent for path in (self._artifacts / "checkpoints").rglob(f"*{SUFFIX}")})
        kept = f"{trained} finished trials kept" + (f", {checkpoints} go on from checkpoints" if checkpoints else "")
        return f"stopped: {kept}. {said}"

    def _tick(self, executor: Executor) -> None:
        if executor.waiting != self._slots_wait:
            self._slots_wait = executor.waiting
            self._watcher.event(Event("waiting", self._slots_wait or "every slot has a place"))
        self._progress.seconds = self._seconds()
        if self._progress.seconds - self._renewed > LEASE_RENEWAL_SECONDS:
            self._renewed = self._progress.seconds
            self._store.renew_lease()
        self._watcher.tick(self._progress)

    def _arm_search(self, arm: Arm) -> ArmSearch:
        admission = Admission.of(self._ready.dataset, self._spec)
        return ArmSearch(arm, self._spec, self._objective, self._store, admission)


def in_turns(searches: list[ArmSearch]) -> list[list[ArmSearch]]:
    """Arms that wait for another one's size come after all others have finalists."""
    turns = [[one for one in searches if one.waits_for_size is waits] for waits in (False, True)]
    return [turn for turn in turns if turn]
