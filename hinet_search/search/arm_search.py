"""Arm search: draw the trials of one arm within an exact budget, and record how they end.

Samplers and pruners see an Optuna study in memory that is built from our rows (arm_memory.py). Each
event of a trial (a draw with all its parameters, an evaluation, an end) is written to our rows.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from statistics import mean

from optuna.trial import Trial, TrialState

from hinet_search.common import crash_points
from hinet_search.common.errors import ConfigurationError
from hinet_search.results.records import Cost, EvaluationRecord, Scalar, TrialRecord
from hinet_search.results.trade_offs import Objectives, needs_cells
from hinet_search.search.arm_memory import ArmMemory
from hinet_search.search.identity import distributions
from hinet_search.search.progress import ArmProgress
from hinet_search.search.sampling import Pruning, derive_seed
from hinet_search.storage.row_mapping import utc_now
from hinet_search.storage.store import StudyStore
from hinet_search.study.load_study import DENSE_PARAMETERS, EVALUATIONS, Arm
from hinet_search.study.starts import distinct
from hinet_search.study.study_spec import SamplerSpec, StudySpec
from hinet_search.training.train_config import TrainConfig
from hinet_search.training.trial_config import TrialConfig, build_config

MAX_REDRAWS = 20
SAMPLED_REDRAWS = 4  # by the study's sampler; later ones are random
RANDOM = SamplerSpec(kind="random")
WORDS = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}


@dataclass(frozen=True)
class DrawnTrial:
    """A trial to train. `config` is None where the drawn values do not fit together.

    `problem` says why; such a trial fails before it is trained.
    """

    number: int
    drawn: Mapping[str, Scalar]
    attempt: int
    config: TrialConfig | None
    problem: str


# Returns why a configuration is not trained, `too large: ...`; empty when it is trained.
SizeCheck = Callable[[Arm, TrialConfig], str]


class ArmSearch:
    """The search of one arm, and the only writer of its trials."""

    def __init__(
        self,
        arm: Arm,
        spec: StudySpec,
        objectives: Objectives,
        store: StudyStore,
        too_large: SizeCheck,
    ) -> None:
        self.arm = arm
        self._spec = spec
        self._store = store
        self._too_large = too_large
        stored_size = store.fixed_of(arm.name).get(DENSE_PARAMETERS) if arm.size_of else None
        if isinstance(stored_size, int):
            self.arm = arm.fixing({DENSE_PARAMETERS: stored_size})
        evaluations = int(
            str(arm.space.fixed.get(EVALUATIONS, TrainConfig().evaluations_per_epoch))
        )
        pruning = Pruning(spec.pruner, evaluations)
        rows = store.trials(arm.name)
        self._rows = {row.number: row for row in rows}
        self._objectives = objectives
        evaluated = store.evaluations(arm.name, cells=needs_cells(objectives.others))
        with store.database.guarded():
            self._memory = ArmMemory(pruning, objectives, distributions(arm.space), rows, evaluated)
        self._live: dict[int, Trial] = {}
        self._interrupted = [row.number for row in rows if row.state == "running"]
        finished = [row for row in self._rows.values() if row.state != "running" and row.counts]
        self._num_counted = len(finished)
        self._tried = {config_key(row.parameters) for row in finished}
        self._starts = self._untried_starts()
        self.exhausted = False
        self._small_space = self._all_draws()

    @property
    def started(self) -> int:
        """Trials that are finished or running, within the budget."""
        return self._num_counted + len(self._live)

    @property
    def running(self) -> int:
        """Trials that run."""
        return len(self._live)

    @property
    def begun(self) -> int:
        """Trials within the budget that have ever started, interrupted ones too."""
        return self.started + len(self._interrupted)

    @property
    def budget(self) -> int:
        """Trials that the arm will have: at most the number of configurations in its space.

        With a budget that was lowered since, they are those that have begun.
        """
        return max(len(self._small_space) or self._spec.trials, self.begun)

    @property
    def why_exhausted(self) -> str:
        """Why the arm ends before its budget is used."""
        if self._small_space:
            return f"its space has {len(self._small_space)} configurations"
        return f"its space gave nothing new in {MAX_REDRAWS} draws"

    @property
    def seconds(self) -> float:
        """Seconds of training, summed over the trials that gave a result."""
        return sum(row.cost.seconds for row in self._rows.values() if row.cost)

    @property
    def seconds_of_training(self) -> float:
        """Mean seconds of a training that was not pruned; 0 without one."""
        seconds = [
            row.cost.seconds for row in self._rows.values() if row.cost and row.state == "complete"
        ]
        return mean(seconds) if seconds else 0.0

    @property
    def waits_for_size(self) -> bool:
        """Whether the arm takes the size of another arm, and that size is not known yet."""
        return bool(self.arm.size_of) and DENSE_PARAMETERS not in self.arm.space.fixed

    def take_size(self, dense_parameters: int) -> None:
        """Fix the arm's size, for every later launch too."""
        self.arm = self.arm.fixing({DENSE_PARAMETERS: dense_parameters})
        self._store.record_fixed(self.arm.name, {DENSE_PARAMETERS: dense_parameters})
        self._small_space = self._all_draws()

    def allow(self, trials: int) -> None:
        """Change the budget to so many trials."""
        self._spec = self._spec.model_copy(update={"trials": trials})
        self._small_space = self._all_draws()

    def progress(self) -> ArmProgress:
        """Count the arm's trials by state, and find the best one."""
        states = [row.state for row in self._rows.values() if row.counts]
        counts = ArmProgress(
            self.arm.name,
            self.budget,
            done=states.count("complete"),
            pruned=states.count("pruned"),
            failed=states.count("failed"),
        )
        if complete := self.complete_trials():
            counts.best = complete[0].value
            counts.best_trial = complete[0].number
        return counts

    def ask(self, *, new: bool = True) -> DrawnTrial | None:
        """Return the next trial: interrupted trials first, under their old numbers, then new draws.

        `new=False` allows interrupted trials only. None when the budget is used, when every
        configuration of a small space was tried, or when MAX_REDRAWS draws in a row were refused.
        """
        while self._interrupted:
            number = self._interrupted.pop(0)
            seed = derive_seed(self._spec.seed, self.arm.name, number)
            if next_trial := self._offer(self._memory.resume(number, self._spec.sampler, seed)):
                return next_trial
        if not new or self.exhausted or self.started >= self._spec.trials:
            return None
        next_trial = self._new_draw()
        self.exhausted = next_trial is None
        return next_trial

    def began(self, number: int, attempt: int) -> None:
        """Record a further attempt at a running trial."""
        self._record(replace(self._rows[number], attempt=attempt))
        crash_points.point("after_attempt_row")

    def measured(self, number: int, cost: Cost) -> None:
        """Note what a running trial costs, for the objectives that are costs."""
        self._memory.measured(number, cost)

    def on_evaluation(self, number: int, evaluation: EvaluationRecord) -> bool:
        """Record an evaluation; return whether the trial should be pruned."""
        self._store.record_evaluation(self.arm.name, number, self._rows[number].attempt, evaluation)
        crash_points.point("after_evaluation_row")
        return self._memory.report(self._live[number], evaluation)

    def finish(
        self, number: int, state: TrialState, value: float | None, cost: Cost | None, cause: str
    ) -> None:
        """Complete, prune or fail a running trial."""
        self._memory.end(self._live.pop(number), state, value, cost, cause)
        crash_points.point("before_end")
        row = replace(self._rows[number], state=WORDS[state], finished=utc_now(), cause=cause)
        if state != TrialState.COMPLETE:
            value = None
        self._record(replace(row, value=value, cost=cost))
        crash_points.point("after_end")
        self._num_counted += 1
        self._tried.add(config_key(self._rows[number].parameters))

    def leave(self, number: int) -> None:
        """Leave a trial running in the database; the next launch resumes it under its number."""
        self._live.pop(number)

    def importances(self) -> dict[str, float]:
        """Return each parameter's share in the spread of values; empty for too few trials."""
        return self._memory.importances()

    def complete_trials(self) -> list[TrialRecord]:
        """Return the complete trials, best first."""
        sign = -self._objectives.first.sign
        complete = [row for row in self._rows.values() if row.state == "complete"]
        return sorted(complete, key=lambda row: (sign * (row.value or 0.0), row.number))

    def best_trials(self, count: int) -> list[TrialRecord]:
        """Return the best complete trials, or with several objectives those that spread best."""
        return [self._rows[number] for number in self._memory.best(count)]

    def trained_default(self) -> TrialRecord | None:
        """Return trial 0 if it is complete or pruned; None when it failed or was too large."""
        default = self._rows.get(0)
        good = default is not None and default.counts and default.state in ("complete", "pruned")
        return default if good else None

    def _draw(
        self, values: Mapping[str, Scalar] | None = None, *, at_random: bool = False
    ) -> Trial:
        """Draw a trial: given `values`, or by the sampler or uniformly.

        A confident sampler could propose the same refused point for ever, hence the uniform draws.
        """
        if values is not None:
            self._memory.enqueue(values)
        sampler = RANDOM if at_random else self._spec.sampler
        seed = derive_seed(self._spec.seed, self.arm.name, len(self._rows))
        return self._memory.ask(sampler, seed)

    def _all_draws(self) -> tuple[dict[str, Scalar], ...]:
        """Return every draw of a space that fits into the budget; nothing for a larger space."""
        drawn = tuple(islice(self.arm.space.draws(), self._spec.trials + 1))
        return drawn if len(drawn) <= self._spec.trials else ()

    def _untried_starts(self) -> list[Mapping[str, Scalar]]:
        """Return the default, if the arm has no trial yet, and the starts that no trial has had."""
        tried = {config_key(row.parameters) for row in self._rows.values()}
        starts = [start.values for start in distinct(self.arm.starts, self.arm.space)]
        untried = [start for start in starts if config_key(start) not in tried]
        return untried if self._rows else [self.arm.space.default(), *untried]

    def _untried(self) -> list[dict[str, Scalar]]:
        """Return the draws of a small space that no trial has used."""
        tried = {config_key(row.parameters) for row in self._rows.values()}
        return [drawn for drawn in self._small_space if config_key(drawn) not in tried]

    def _new_draw(self) -> DrawnTrial | None:
        """Return the first of starts, draws and untried draws that is not refused."""
        while self._starts:
            if next_trial := self._offer(self._draw(self._starts.pop(0))):
                return next_trial
        for redraw in range(MAX_REDRAWS):
            if self._small_space and not self._untried():
                return None
            if next_trial := self._offer(self._draw(at_random=redraw > SAMPLED_REDRAWS)):
                return next_trial
        for drawn in self._untried():
            if next_trial := self._offer(self._draw(drawn)):
                return next_trial
        return None

    def _config(self, drawn: Mapping[str, Scalar]) -> tuple[TrialConfig | None, str]:
        """Return the configuration of a draw; None, and why, where its values do not fit."""
        try:
            return build_config(self.arm.model, self.arm.space.values(drawn)), ""
        except ConfigurationError as error:
            return None, error.problems[0]

    def _offer(self, trial: Trial) -> DrawnTrial | None:
        """Return the trial to train; None when it is refused and recorded outside the budget."""
        number = trial.number
        with self._memory.sampling():
            drawn = self.arm.space.suggest(trial)
        config, problem = self._config(drawn)
        crash_points.point("after_draw")
        attempt = 1
        started = utc_now()
        if earlier := self._rows.get(number):
            attempt = earlier.attempt + 1
            started = earlier.started
        row = TrialRecord(
            number=number,
            state="running",
            value=None,
            parameters=drawn,
            is_default=number == 0,
            cause="",
            evaluations=(),
            cost=None,
            started=started,
            attempt=attempt,
        )
        if refusal := self._refusal(drawn, config):
            self._memory.refuse(trial)
            self._record(replace(row, state="pruned", finished=utc_now(), cause=refusal))
            crash_points.point("after_refusal")
            return None
        self._live[number] = trial
        self._record(row)
        crash_points.point("after_trial_row")
        return DrawnTrial(number, drawn, attempt, config, problem)

    def _record(self, row: TrialRecord) -> None:
        self._rows[row.number] = row
        self._store.record_trial(self.arm.name, row)

    def _refusal(self, drawn: Mapping[str, Scalar], config: TrialConfig | None) -> str:
        """Return why a draw is refused, by a cause of UNCOUNTED_CAUSES; else an empty text."""
        running = {config_key(self._rows[number].parameters) for number in self._live}
        key = config_key(drawn)
        if key in self._tried or key in running:
            return "duplicate of an earlier trial"
        if config is None:
            return ""
        return self._too_large(self.arm, config)


def config_key(drawn: Mapping[str, Scalar]) -> str:
    """Return a key that is the same for equal draws, whatever the order of their parameters."""
    return json.dumps(dict(drawn), sort_keys=True)
