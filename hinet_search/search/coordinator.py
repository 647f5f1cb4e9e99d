"""Coordinator: run a study: inputs, trials, finalists, a test access per arm, summaries, refits."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from hinet_search.common import crash_points
from hinet_search.common.errors import AllTrialsFailed, Interrupted, TransientError
from hinet_search.common.files import whole_files
from hinet_search.common.retry import Retry, once
from hinet_search.executors import Executor
from hinet_search.results.ensemble_records import ENSEMBLE, TEACHER, RunKey
from hinet_search.results.objectives import Objective
from hinet_search.results.records import FinalistRecord
from hinet_search.results.trade_offs import Objectives
from hinet_search.results.verdict import verdict
from hinet_search.search.arm_search import ArmSearch
from hinet_search.search.chosen_inputs import with_chosen_inputs
from hinet_search.search.context import PhaseContext
from hinet_search.search.dispatch import HeartbeatMonitor, Phase, StopFlag, clock, drive
from hinet_search.search.ensembles import Ensembles, run_key
from hinet_search.search.optuna_copies import OptunaCopies
from hinet_search.search.phases.finalists import (
    Candidate,
    CandidateRun,
    FinalistPhase,
    choose,
    paired_seeds,
    serving_limits,
)
from hinet_search.search.phases.score_test_split import ScoreTestPhase
from hinet_search.search.phases.summaries import SummaryPhase, finalists_to_summarise
from hinet_search.search.plan.plan import PreparedStudy
from hinet_search.search.plan.size_limits import SizeLimits
from hinet_search.search.progress import ArmProgress, Event, Progress, Watcher, value_text
from hinet_search.search.refit import drop_files, refit_shipped
from hinet_search.search.stacking import Stacking
from hinet_search.search.students import Taught, choose_students, student_of, teach
from hinet_search.search.time_budget import FIRST_ROUND
from hinet_search.search.turns import Turns
from hinet_search.storage.store import StudyStore
from hinet_search.study.load_study import Arm
from hinet_search.training.checkpoint import SUFFIX

LEASE_RENEWAL_SECONDS = 10.0


class Coordinator:
    """Run a study's phases on an executor, and keep its state in the database up to date."""

    def __init__(
        self, ready: PreparedStudy, store: StudyStore, artifacts: Path, watcher: Watcher
    ) -> None:
        self._ready = ready
        self._spec = ready.study.spec
        self._stop = StopFlag()
        self._store = replace(store, retry=Retry(self._say, lambda: self._stop.is_set))
        self._artifacts = artifacts
        self._watcher = watcher
        self._objective = Objective(self._spec.objective)
        self._limits = serving_limits(self._spec)
        stored = store.load_study()
        self._seconds_before = stored.seconds if stored else 0.0
        self._is_done = stored is not None and stored.state == "done"  # and stays, without a job
        self._seconds = clock()
        self._monitor = HeartbeatMonitor(60 * self._spec.silence_minutes)
        self._renewed = 0.0
        self._slots_wait = ""  # what slots wait for, as last reported
        self._progress = self._new_progress()
        self._students: list[Arm] = []
        self._copies = OptunaCopies()

    def _new_progress(self) -> Progress:
        ready = self._ready
        spec = self._spec
        trials = spec.trials if spec.budget is None else FIRST_ROUND
        arms = {arm.name: ArmProgress(arm.name, arm.space.size(trials)) for arm in ready.study.arms}
        until = None if spec.budget is None else 60 * spec.budget - self._seconds_before
        return Progress(
            ready.study.name,
            ready.slots,
            str(ready.device.device),
            spec.passes,
            arms,
            rows=ready.dataset.record.rows[0],
            maximize=self._objective.maximize,
            until=until,
        )

    def run(self, executor: Executor) -> None:
        """Run all phases. Errors: Interrupted by a signal, AllTrialsFailed."""
        with self._recorded():
            self._choose_inputs(partial(self._drive, executor))
            searches = [self._arm_search(arm) for arm in self._ready.study.arms]
            self._phases(executor, searches)

    def _choose_inputs(self, drive: Callable[[Phase], None]) -> None:
        """Give the arms the groups of inputs that help, if the study asks for it."""
        study = self._ready.study
        spec = self._spec
        trials = sum(arm.most_trials(spec) for arm in study.arms)
        finalists = sum(arm.most_finalists(spec) for arm in study.arms) * spec.finalists.seeds
        self._progress.ahead = trials + finalists + spec.most_student_trainings
        arms = with_chosen_inputs(self._ready, self._context(), drive)
        self._ready = replace(self._ready, study=replace(study, arms=arms))

    @contextmanager
    def _recorded(self) -> Iterator[None]:
        """Record the study's state and seconds around the block; handle signals inside it.

        It is done in the transaction that stores its verdict. Optuna's copies are updated after it.
        """
        if not self._is_done:
            self._store.set_state("running")
        store = self._store
        state = "stopped"
        sentence = ""
        try:
            with self._stop.handling_signals():
                yield
                sentence = verdict(replace(self._store.load_record(), state="done")).sentence
            state = "done"
        except TransientError:
            store = replace(store, retry=once)  # retrying took its full time already
            raise
        finally:
            if state == "done" or not self._is_done:
                store.set_state(state, self._elapsed(), sentence)
            crash_points.point("after_state")
            self._copies.update(store, self._arms)

    def _open_again(self) -> None:
        """Run a study that was done: a job of it has begun, so it has no verdict until it ends."""
        self._is_done = False
        self._store.set_state("running")

    def _elapsed(self) -> float:
        """Seconds of the study, over all launches."""
        return self._seconds_before + self._seconds()

    def _phases(self, executor: Executor, searches: list[ArmSearch]) -> None:
        context = self._context()
        drive = partial(self._drive, executor)
        candidates = Turns(self._ready, searches, context, drive, self._elapsed).run()
        if not candidates:
            raise AllTrialsFailed(
                "no trial of the study gave a value; "
                "their causes are in the report and the dashboard"
            )
        self._test(candidates, context, drive)
        context, candidates = self._ensembles(candidates, context, drive)
        finalists = finalists_to_summarise(
            self._stored_finalists(), paired_seeds(self._spec), self._objective
        )
        drive(SummaryPhase(finalists, context))
        refit = self._spec.finalists.refit
        refitted = refit_shipped(candidates, context, drive) if refit else ()
        crash_points.point("after_phases")
        drop_files(context, self._stored_finalists(), refitted)

    def _test(
        self, candidates: list[Candidate], context: PhaseContext, drive: Callable[[Phase], None]
    ) -> None:
        """Choose the finalist of each arm, and score those without a test score on test."""
        unseen = self._choose(candidates)
        lost_runs = [run for run in unseen if not run.weights(self._artifacts).exists()]
        drive(FinalistPhase.of(lost_runs, {}, context))
        runs = [run for run in unseen if run.weights(self._artifacts).exists()]
        drive(ScoreTestPhase(runs, context))

    def _ensembles(
        self, candidates: list[Candidate], context: PhaseContext, drive: Callable[[Phase], None]
    ) -> tuple[PhaseContext, list[Candidate]]:
        """Teach students, and choose an ensemble, if the study asks for them; open both on test.

        Return the context with the teacher's scores, and all candidates, students among them.
        """
        if self._spec.teaching:
            context, of_students = self._teach(candidates, context, drive)
            self._test(of_students, context, drive)
            candidates = [*candidates, *of_students]
        if self._spec.ensemble:
            ensembles = Ensembles(context, drive)
            pool = self._runs_of(candidates)
            if ensemble := ensembles.make(ENSEMBLE, pool):
                ensembles.open_on_test(ensemble, pool)
        return context, candidates

    def _teach(
        self, candidates: list[Candidate], context: PhaseContext, drive: Callable[[Phase], None]
    ) -> tuple[PhaseContext, list[Candidate]]:
        """Make a teacher of the finalists and teach students; return its context and them."""
        ensembles = Ensembles(context, drive)
        pool = self._runs_of(candidates)
        teacher = ensembles.make(TEACHER, pool)
        taught = self._taught(candidates)
        scores = ensembles.teach(teacher, pool) if teacher and taught else None
        if scores is None:
            return context, []
        self._students = [student_of(each) for each in taught]
        self._progress.turn = ", ".join(arm.name for arm in self._students)
        context = replace(context, teacher=scores)
        of_students = teach(self._students, context, drive)
        self._progress.turn = ""
        return context, of_students

    def _runs_of(self, candidates: list[Candidate]) -> list[CandidateRun]:
        """Return the runs of these candidates that have a result."""
        stored = {
            RunKey(arm, finalist.trial_number, run.seed)
            for arm, finalists in self._store.finalists().items()
            for finalist in finalists
            for run in finalist.runs
        }
        seeds = paired_seeds(self._spec)
        runs = [CandidateRun(candidate, seed) for candidate in candidates for seed in seeds]
        return [run for run in runs if run_key(run) in stored]

    def _taught(self, candidates: list[Candidate]) -> list[Taught]:
        """Return the finalists from which students are made."""
        assert self._spec.teaching is not None, "checked by the caller"
        arms = {candidate.arm.name: candidate.arm for candidate in candidates}
        chosen = [
            Taught(arms[name], finalist)
            for name, finalists in self._stored_finalists().items()
            for finalist in finalists
            if finalist.chosen and name in arms
        ]
        margin = self._spec.comparison.margin
        return choose_students(chosen, self._spec.teaching, margin, self._objective)

    def _context(self) -> PhaseContext:
        dataset = self._ready.dataset
        return PhaseContext(
            self._spec,
            self._store,
            dataset.folder.absolute(),
            dataset.fingerprint,
            self._artifacts,
            self._progress,
            self._watcher,
            stacking=self._stacking(),
        )

    def _stacking(self) -> Stacking | None:
        """Return how trials are stacked; None where they train one by one."""
        if self._spec.stacked_trials == 1:
            return None
        ready = self._ready
        return Stacking(ready.dataset, ready.device.device, self._spec.stacked_trials, ready.slots)

    def _choose(self, candidates: list[Candidate]) -> list[CandidateRun]:
        """Choose each arm's finalist on validation; return its runs without a test score.

        Finalists of an earlier launch with another budget are not candidates of this launch.
        """
        unseen: list[CandidateRun] = []
        seeds = paired_seeds(self._spec)
        for arm, finalists in self._stored_finalists().items():
            by_number = {
                candidate.trial_number: candidate
                for candidate in candidates
                if candidate.arm.name == arm
            }
            eligible = [finalist for finalist in finalists if finalist.trial_number in by_number]
            chosen = choose(eligible, self._objective, seeds, self._limits)
            if chosen is None:
                continue
            self._store.mark_chosen(arm, chosen.trial_number)
            crash_points.point("after_choice")
            candidate = by_number[chosen.trial_number]
            unseen += [
                CandidateRun(candidate, run.seed)
                for run in chosen.runs
                if run.seed in seeds and run.test_cells is None
            ]
        return unseen

    def _stored_finalists(self) -> Mapping[str, tuple[FinalistRecord, ...]]:
        by_arm = self._store.finalists()
        return {arm.name: by_arm.get(arm.name, ()) for arm in self._arms}

    @property
    def _arms(self) -> tuple[Arm, ...]:
        return (*self._ready.study.arms, *self._students)

    def _drive(self, executor: Executor, phase: Phase) -> None:
        drive(executor, phase, self._stop, partial(self._tick, executor), self._say, self._monitor)
        if self._stop.is_set:
            raise Interrupted(self._summary(), signal_number=self._stop.signal_number)

    def _say(self, text: str) -> None:
        self._watcher.event(Event("waiting", text))

    def _summary(self) -> str:
        """Say in one line what is kept, and the best value so far."""
        best = self._progress.best
        best_text = (
            f"Best so far: {best.name}/{best.best_trial} {value_text(best.best)} (valid)"
            if best and best.best is not None
            else "No value yet"
        )
        trained = sum(arm.trained for arm in self._progress.arms.values())
        files = whole_files(self._artifacts / "checkpoints")
        checkpoints = len({path.parent for path in files if path.name.endswith(SUFFIX)})
        trials = f"{trained} finished trials kept" + (
            f", {checkpoints} to resume from checkpoints" if checkpoints else ""
        )
        return f"stopped: {trials}. {best_text}"

    def _tick(self, executor: Executor) -> None:
        if self._is_done:
            self._open_again()
        if executor.waiting != self._slots_wait:
            self._slots_wait = executor.waiting
            self._watcher.event(Event("waiting", self._slots_wait or "every slot has a place"))
        self._progress.seconds = self._seconds()
        if self._progress.seconds - self._renewed > LEASE_RENEWAL_SECONDS:
            self._renewed = self._progress.seconds
            self._store.renew_lease()
        self._copies.update_now_and_then(self._store, self._arms)
        self._watcher.tick(self._progress)

    def _arm_search(self, arm: Arm) -> ArmSearch:
        size_limits = SizeLimits.of(self._ready.dataset, self._ready.study)
        objectives = Objectives(self._objective, self._spec.other_objectives)
        return ArmSearch(arm, self._spec, objectives, self._store, size_limits)
