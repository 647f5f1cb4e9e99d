"""Coordinator: run a study: inputs, trials, finalists, one test access an arm, choices, refits."""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
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
from hinet_search.results.verdict import verdict
from hinet_search.search.ablation import measure_choices, with_chosen_inputs
from hinet_search.search.context import PhaseContext
from hinet_search.search.dispatch import HeartbeatMonitor, Phases, StopFlag, clock, drive
from hinet_search.search.ensembles import Ensembles
from hinet_search.search.identity import distributions
from hinet_search.search.phases.finalists import (
    Candidate,
    CandidateRun,
    choose,
    finalist_queue,
    paired_runs,
    paired_seeds,
    stored_values,
)
from hinet_search.search.phases.job_queue import JobQueue, QueuedJob
from hinet_search.search.phases.scores_on_test import best_arm, scoring_phase, summary_jobs
from hinet_search.search.plan.forecast import forecast
from hinet_search.search.plan.prepare import PreparedStudy
from hinet_search.search.progress import ArmProgress, Event, Progress, Watcher, value_text
from hinet_search.search.refit import drop_files, refit_shipped
from hinet_search.search.students import students_of, teach
from hinet_search.search.turns import FIRST_ROUND, Turns
from hinet_search.storage.store import StudyStore
from hinet_search.study.load_study import Arm
from hinet_search.training.checkpoint import SUFFIX

LEASE_RENEWAL_SECONDS = 10.0
PAUSE_SECONDS = 5.0  # between copies for Optuna
SHARE = 0.2  # of a coordinator's time, the most that goes into copies while trials run


class Coordinator:
    """Run a study's phases on an executor, and keep its state in the database up to date."""

    def __init__(
        self, ready: PreparedStudy, store: StudyStore, artifacts: Path, watcher: Watcher
    ) -> None:
        spec = ready.study.spec
        self._ready = ready
        self._spec = spec
        self._stop = StopFlag()
        self._store = replace(store, retry=Retry(self._say, lambda: self._stop.is_set))
        self._artifacts = artifacts
        self._watcher = watcher
        self._objective = Objective(spec.objective)
        stored = store.load_study()
        self._seconds_before = stored.seconds if stored else 0.0
        self._is_done = stored is not None and stored.state == "done"  # and stays, without a job
        self._seconds = clock()
        self._monitor = HeartbeatMonitor(60 * spec.silence_minutes)
        self._renewed = 0.0
        self._slots_wait = ""  # what slots wait for, as last reported
        self._students: list[Arm] = []
        self._copies = OptunaCopies()
        self._progress = Progress(
            ready.study.name,
            ready.slots,
            str(ready.device.device),
            spec.epochs,
            arms={},
            rows=ready.dataset.record.rows[0],
            maximize=self._objective.maximize,
        )
        trials = spec.trials
        if spec.budget is not None:
            trials = FIRST_ROUND
            self._progress.until = 60 * spec.budget - self._seconds_before
        for arm in ready.study.arms:
            self._progress.arms[arm.name] = ArmProgress(arm.name, arm.space.size(trials))

    def run(self, executor: Executor) -> None:
        """Run all phases. Errors: Interrupted by a signal, AllTrialsFailed."""
        tick = partial(self._tick, executor)
        with self._recorded():
            for phase in self._phases():
                drive(executor, phase, self._stop, tick, self._say, self._monitor)
                if self._stop.is_set:
                    raise Interrupted(self._summary(), signal_number=self._stop.signal_number)

    def _phases(self) -> Phases[None]:
        yield from self._choose_inputs()
        context = self._context()
        candidates = yield from Turns(self._ready, context, self._elapsed).run()
        if not candidates:
            raise AllTrialsFailed(
                "no trial of the study gave a value; "
                "their causes are in the report and the dashboard"
            )
        yield from self._test(candidates, context)
        if self._spec.choices:
            yield from measure_choices(candidates, context)
        if self._spec.teaching:
            context, of_students = yield from self._teach(candidates, context)
            yield from self._test(of_students, context)
            candidates = [*candidates, *of_students]
        if self._spec.ensemble:
            ensembles = Ensembles(context, self._summaries)
            pool = self._runs_of(candidates)
            if ensemble := (yield from ensembles.make(ENSEMBLE, pool)):
                yield from ensembles.open_on_test(ensemble, pool)
        yield JobQueue("summaries", self._summaries(), context)
        refitted: Collection[RunKey] = ()
        if self._spec.finalists.refit:
            refitted = yield from refit_shipped(candidates, context)
        crash_points.point("after_phases")
        drop_files(context, self._stored_finalists(), refitted)

    @contextmanager
    def _recorded(self) -> Iterator[None]:
        """Record state, seconds and at the end the verdict of the study; handle signals inside."""
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

    def _choose_inputs(self) -> Phases[None]:
        """Give the arms the groups of inputs that help, if the study asks for it."""
        study = self._ready.study
        ahead = forecast(self._spec, [arm.most_trials(self._spec) for arm in study.arms])
        self._progress.ahead = ahead.trials + ahead.finalists + ahead.later
        arms = yield from with_chosen_inputs(self._ready, self._context())
        self._ready = replace(self._ready, study=replace(study, arms=arms))

    def _context(self) -> PhaseContext:
        ready = self._ready
        return PhaseContext(
            self._spec,
            self._store,
            ready.dataset.folder.absolute(),
            ready.dataset.fingerprint,
            self._artifacts,
            self._progress,
            self._watcher,
        )

    def _test(self, candidates: list[Candidate], context: PhaseContext) -> Phases[None]:
        """Choose the finalist of each arm, and score those without a test score on test."""
        unseen = self._choose(candidates)
        lost_runs = [run for run in unseen if not run.weights(self._artifacts).exists()]
        yield finalist_queue(lost_runs, {}, context)
        runs = [run for run in unseen if run.weights(self._artifacts).exists()]
        best = best_arm(self._stored_finalists(), self._objective)
        yield scoring_phase(runs, context, best)

    def _choose(self, candidates: list[Candidate]) -> list[CandidateRun]:
        """Choose each arm's finalist on validation; return its runs without a test score."""
        unseen: list[CandidateRun] = []
        for arm, finalists in self._stored_finalists().items():
            by_number = {each.trial_number: each for each in candidates if each.arm.name == arm}
            chosen = choose(finalists, by_number, self._spec)
            if chosen is None:
                continue
            self._store.mark_chosen(arm, chosen.trial_number)
            crash_points.point("after_choice")
            left = {run.seed for run in chosen.runs if run.test_cells is None}
            runs = paired_runs([by_number[chosen.trial_number]], self._spec)
            unseen += [run for run in runs if run.seed in left]
        return unseen

    def _teach(
        self, candidates: list[Candidate], context: PhaseContext
    ) -> Phases[tuple[PhaseContext, list[Candidate]]]:
        """Make a teacher of the finalists and teach students; return its context and them."""
        ensembles = Ensembles(context, self._summaries)
        pool = self._runs_of(candidates)
        teacher = yield from ensembles.make(TEACHER, pool)
        students = students_of(self._stored_finalists(), candidates, self._spec)
        scores = None
        if teacher and students:
            scores = yield from ensembles.teach(teacher, pool)
        if scores is None:
            return context, []
        self._students = students
        self._progress.turn = ", ".join(arm.name for arm in students)
        context = replace(context, teacher=scores)
        of_students = yield from teach(students, context)
        self._progress.turn = ""
        return context, of_students

    def _summaries(self) -> list[QueuedJob]:
        """Return the jobs that summarise finalists that were scored on test."""
        return summary_jobs(self._stored_finalists(), paired_seeds(self._spec), self._context())

    def _runs_of(self, candidates: list[Candidate]) -> list[CandidateRun]:
        """Return the candidates' runs that have a result."""
        stored = stored_values(self._store.finalists())
        return [run for run in paired_runs(candidates, self._spec) if run.run_key in stored]

    def _stored_finalists(self) -> Mapping[str, tuple[FinalistRecord, ...]]:
        by_arm = self._store.finalists()
        return {arm.name: by_arm.get(arm.name, ()) for arm in self._arms}

    @property
    def _arms(self) -> tuple[Arm, ...]:
        return (*self._ready.study.arms, *self._students)

    def _elapsed(self) -> float:
        """Seconds of the study, over all launches."""
        return self._seconds_before + self._seconds()

    def _say(self, text: str) -> None:
        self._watcher.event(Event("waiting", text))

    def _summary(self) -> str:
        """Say in one line what is kept, and the best value so far."""
        trained = sum(arm.trained for arm in self._progress.arms.values())
        kept = f"{trained} finished trials kept"
        files = whole_files(self._artifacts / "checkpoints")
        checkpoints = len({path.parent for path in files if path.name.endswith(SUFFIX)})
        if checkpoints:
            kept = f"{kept}, {checkpoints} to resume from checkpoints"
        best = self._progress.best
        if best is None or best.best is None:
            return f"stopped: {kept}. No value yet"
        value = value_text(best.best)
        return f"stopped: {kept}. Best trial: {best.name}/{best.best_trial} {value} (valid)"

    def _tick(self, executor: Executor) -> None:
        if self._is_done:  # a job of it has begun, so it has no verdict until it ends
            self._is_done = False
            self._store.set_state("running")
        if executor.waiting != self._slots_wait:
            self._slots_wait = executor.waiting
            self._say(self._slots_wait or "every slot has a place")
        self._progress.seconds = self._seconds()
        if self._progress.seconds - self._renewed > LEASE_RENEWAL_SECONDS:
            self._renewed = self._progress.seconds
            self._store.renew_lease(seconds_left=self._progress.seconds_left)
        self._copies.update_now_and_then(self._store, self._arms)
        self._watcher.tick(self._progress)


class OptunaCopies:
    """Keeps the copies of a study's arms in Optuna's storage up to date while it runs."""

    def __init__(self) -> None:
        self._first_left: dict[str, int] = {}  # by arm: the trial from which on it is copied again
        self._next = 0.0

    def update_now_and_then(self, store: StudyStore, arms: Sequence[Arm]) -> None:
        """Update the copies, unless that was done a moment ago."""
        began = time.monotonic()
        if began < self._next:
            return
        self.update(store, arms)
        seconds = time.monotonic() - began
        self._next = began + max(PAUSE_SECONDS, seconds / SHARE)

    def update(self, store: StudyStore, arms: Sequence[Arm]) -> None:
        """Update the copies."""
        for arm in arms:
            first = self._first_left.get(arm.name, 0)
            self._first_left[arm.name] = store.copy_to_optuna(
                arm.name, distributions(arm.space), first
            )
