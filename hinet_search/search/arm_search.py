"""One arm's search: asks its Optuna study for trials within an exact budget, and tells it what became of them.

The study is in memory, as its only writer has it. What happens to a trial is written to the database in one transaction,
Optuna's rows and ours: a draw with all its parameters, an evaluation, an end.
"""

import hashlib
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from hinet_search import faults
from hinet_search.objective import Objective
from hinet_search.records import Cost, EvaluationRecord, Scalar
from hinet_search.search.pruning import Pruning
from hinet_search.search.sampling import derive_seed, make_sampler
from hinet_search.spec import SamplerSpec, StudySpec
from hinet_search.storage.rows import TrialRow
from hinet_search.storage.store import StudyStore
from hinet_search.study import DENSE_PARAMETERS, EVALUATIONS, Arm
from hinet_search.training.config import TrainConfig

MAX_REDRAWS = 20
RANDOM = SamplerSpec(kind="random")


@dataclass(frozen=True)
class Asked:
    """A trial that is to be trained."""

    number: int
    drawn: Mapping[str, Scalar]
    attempt: int


@dataclass(frozen=True)
class Counts:
    """Trials of an arm that count against its budget, and the best value so far."""

    done: int
    pruned: int
    failed: int
    best: float | None
    best_trial: int | None


class Admits(Protocol):
    """What an arm asks about sizes."""

    def refusal(self, arm: Arm, drawn: Mapping[str, Scalar]) -> str:
        """Why a draw is not trained, `too large: ...`; empty when it is."""


class ArmSearch:
    """The only writer of one arm."""

    def __init__(
        self,
        arm: Arm,
        spec: StudySpec,
        objective: Objective,
        store: StudyStore,
        admission: Admits,
    ) -> None:
        self.arm = arm
        self._spec = spec
        self._store = store
        self._admission = admission
        stored_size = store.fixed_of(arm.name).get(DENSE_PARAMETERS) if arm.size_of else None
        if isinstance(stored_size, int):
            self.arm = arm.fixing({DENSE_PARAMETERS: stored_size})
        self._study = store.optuna_copy(arm.name, maximize=objective.maximize)
        evaluations = int(str(arm.space.fixed.get(EVALUATIONS, TrainConfig().evaluations_per_pass)))
        self._pruning = Pruning(spec.pruner, spec.passes, evaluations, maximize=objective.maximize)
        self._study.pruner = self._pruning.pruner
        self._rows = {row.number: row for row in store.trial_rows(arm.name)}
        self._live: dict[int, Trial] = {}
        stored = self._trials()
        if not stored:
            self._study.enqueue_trial(arm.space.default())
        for trial in stored:
            if trial.state == TrialState.COMPLETE:
                self._pruning.remember(trial.intermediate_values)
        self._interrupted = [trial for trial in stored if trial.state == TrialState.RUNNING]
        self._num_trials = sum(trial.state != TrialState.WAITING for trial in stored)
        self._counted = sum(trial.state.is_finished() and self._counts(trial.number) for trial in stored)
        self._refused = sum(not self._counts(number) for number in self._rows)
        self._tried = {
            self._rows[trial.number].config_hash
            for trial in stored
            if trial.state.is_finished() and trial.number in self._rows and self._counts(trial.number)
        }
        self.exhausted = False

    @property
    def started(self) -> int:
        """Trials that are finished or running, within the budget."""
        return self._counted + len(self._live)

    @property
    def seconds(self) -> float:
        """Of training, of all trials that gave a result."""
        return sum(row.cost.seconds for row in self._rows.values() if row.cost)

    @property
    def waits_for_size(self) -> bool:
        """Whether the arm is to be as large as another one whose size is not known yet."""
        return bool(self.arm.size_of) and DENSE_PARAMETERS not in self.arm.space.fixed

    def take_size(self, dense_parameters: int) -> None:
        """Be so large from now on, in every later launch too."""
        self.arm = self.arm.fixing({DENSE_PARAMETERS: dense_parameters})
        self._store.record_fixed(self.arm.name, {DENSE_PARAMETERS: dense_parameters})

    def counts(self) -> Counts:
        """Where the arm stands."""
        finished = [trial for trial in self._trials() if trial.state.is_finished() and self._counts(trial.number)]
        by_state = [trial.state for trial in finished]
        complete = [trial for trial in finished if trial.state == TrialState.COMPLETE]
        maximize = self._study.direction == optuna.study.StudyDirection.MAXIMIZE
        best = (max if maximize else min)(complete, key=lambda trial: trial.value or 0.0, default=None)
        return Counts(
            by_state.count(TrialState.COMPLETE),
            by_state.count(TrialState.PRUNED),
            by_state.count(TrialState.FAIL),
            None if best is None else best.value,
            None if best is None else best.number,
        )

    def ask(self, *, new: bool = True) -> Asked | None:
        """The next trial: an interrupted one under its old number first, then a draw if `new` ones are wanted.

        None when the budget is used, or MAX_REDRAWS draws in a row are not to be trained.
        """
        while self._interrupted:
            if asked := self._take_up(self._interrupted.pop(0)):
                return asked
        if not new or self.exhausted or self.started >= self._spec.trials:
            return None
        for redraw in range(MAX_REDRAWS):
            if asked := self._offer(self._draw(at_random=redraw > 0), attempt=1):
                return asked
        self.exhausted = True
        return None

    def began(self, number: int, attempt: int) -> None:
        """A further attempt at a running trial begins."""
        self._record(replace(self._rows[number], attempt=attempt))
        faults.point("after_attempt_row")

    def evaluated(self, number: int, evaluation: EvaluationRecord) -> bool:
        """Keep an evaluation; returns whether the trial should be pruned."""
        trial, attempt = self._live[number], self._rows[number].attempt
        step = self._pruning.step(evaluation.passes)
        if step in self._trials()[number].intermediate_values:  # of an earlier attempt, or one of several of a step
            self._store.record_evaluation(self.arm.name, number, attempt, evaluation)
            return False
        trial.report(evaluation.objective, step)
        gives_up = self._pruning.gives_up(trial, self._trials()[number].intermediate_values)
        faults.point("before_report")
        self._store.record_evaluation(self.arm.name, number, attempt, evaluation, self._trials()[number])
        faults.point("after_report")
        return gives_up

    def finish(self, number: int, state: TrialState, value: float | None, cost: Cost | None, cause: str) -> None:
        """Complete, prune or fail a running trial."""
        self._study.tell(self._live.pop(number), value, state=state)
        faults.point("before_end")
        self._record(replace(self._rows[number], cause=cause, cost=cost))
        faults.point("after_end")
        if state == TrialState.COMPLETE:
            self._pruning.remember(self._trials()[number].intermediate_values)
        self._counted += 1
        self._tried.add(self._rows[number].config_hash)

    def leave(self, number: int) -> None:
        """Leave a trial running in the database: the next launch begins it again under its number."""
        self._live.pop(number)

    def importances(self) -> dict[str, float]:
        """Share of each parameter in the spread of values (PED-ANOVA); empty when there are too few trials to tell."""
        complete = self.complete_trials()
        if len(complete) < 4 or len({trial.value for trial in complete}) == 1:
            return {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # it warns of few trials; the report says how many there were
            found = optuna.importance.get_param_importances(self._study)
        total = sum(found.values())
        return {name: share / total for name, share in found.items()} if total > 0 else {}

    def complete_trials(self) -> list[FrozenTrial]:
        """Complete trials, best first."""
        trials = [trial for trial in self._trials() if trial.state == TrialState.COMPLETE]
        sign = -1.0 if self._study.direction == optuna.study.StudyDirection.MAXIMIZE else 1.0
        return sorted(trials, key=lambda trial: (sign * (trial.value or 0.0), trial.number))

    def trained_default(self) -> FrozenTrial | None:
        """Trial 0, complete or given up half-way; None when it failed, or was too large to be trained."""
        good = (TrialState.COMPLETE, TrialState.PRUNED)
        return next((one for one in self._trials()[:1] if one.state in good and self._counts(one.number)), None)

    def _trials(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False)

    def _counts(self, number: int) -> bool:
        row = self._rows.get(number)
        return row is None or not row.cause.startswith(("duplicate", "too large"))

    def _draw(self, *, at_random: bool = False) -> Trial:
        """A draw. After a refused one at random: a sampler that is sure of its point would propose it again."""
        self._seed_sampler(self._num_trials, RANDOM if at_random else self._spec.sampler)
        self._num_trials += 1
        return self._study.ask()

    def _take_up(self, stored: FrozenTrial) -> Asked | None:
        """Go on with a trial that an earlier launch left running."""
        self._seed_sampler(stored.number, self._spec.sampler)
        trial = Trial(self._study, stored._trial_id)  # noqa: SLF001  Optuna has no public way to go on with a trial
        row = self._rows.get(stored.number)
        return self._offer(trial, row.attempt + 1 if row else 1)

    def _seed_sampler(self, number: int, sampler: SamplerSpec) -> None:
        self._study.sampler = make_sampler(sampler, derive_seed(self._spec.seed, self.arm.name, number), self._refused)

    def _offer(self, trial: Trial, attempt: int) -> Asked | None:
        """The trial as one to train; None when it is not to be, which is then recorded outside the budget."""
        drawn = self.arm.space.suggest(trial)
        faults.point("after_draw")
        refusal = self._refusal(drawn)
        if refusal:
            self._study.tell(trial, state=TrialState.PRUNED)
            self._refused += 1
        else:
            self._live[trial.number] = trial
        self._record(TrialRow(trial.number, attempt, config_hash(drawn), is_default=trial.number == 0, cause=refusal))
        faults.point("after_refusal" if refusal else "after_trial_row")
        return None if refusal else Asked(trial.number, drawn, attempt)

    def _record(self, row: TrialRow) -> None:
        self._rows[row.number] = row
        self._store.record_trial(self.arm.name, row, self._trials()[row.number])

    def _refusal(self, drawn: Mapping[str, Scalar]) -> str:
        """Why a draw is not trained: `duplicate ...` or `too large ...`; empty when it is."""
        running = {self._rows[number].config_hash for number in self._live}
        if config_hash(drawn) in self._tried | running:
            return "duplicate of an earlier trial"
        return self._admission.refusal(self.arm, drawn)


def config_hash(drawn: Mapping[str, Scalar]) -> str:
    """The same for equal draws, whatever their order."""
    return hashlib.sha256(json.dumps(dict(drawn), sort_keys=True).encode()).hexdigest()[:16]
