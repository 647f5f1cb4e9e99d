"""Arm memory: what samplers and pruners know of one arm, as an Optuna study in memory.

There a trial that failed because of its values (diverged, out of memory) is pruned, so that
samplers keep away from its like; other failures teach nothing. With several objectives a pruned
trial is complete with its last values, since Optuna ranks no pruned ones, and a trial that failed
because of its values violates a constraint.
"""

import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from hinet_search.common import quiet
from hinet_search.executors import OUT_OF_MEMORY
from hinet_search.results.records import CellValue, Cost, EvaluationRecord, Scalar, TrialRecord
from hinet_search.results.trade_offs import Objectives, Point, needs_cells, spread
from hinet_search.search.sampling import Curve, Pruning, in_memory, make_sampler
from hinet_search.storage.optuna_copy import all_as_optuna
from hinet_search.study.study_spec import SamplerSpec

# Failures that come of the values drawn, by the beginning of their causes. Memory that neighbours
# took is not among them: such a trial runs again, alone (dispatch.py).
OF_VALUES = ("diverged", OUT_OF_MEMORY)
INFEASIBLE = "trains"  # the constraint that such a trial violates
FEWEST_FOR_IMPORTANCES = 4
Seen = tuple[float, Sequence[CellValue]]  # the first objective and, where needed, the cells


@dataclass(frozen=True)
class _Learned:
    """A trial as samplers see it. `values` is None where it gives none."""

    state: TrialState
    values: Sequence[float] | None = None
    is_infeasible: bool = False


class ArmMemory:
    """The Optuna study of one arm in memory."""

    def __init__(
        self,
        pruning: Pruning,
        objectives: Objectives,
        distributions: Mapping[str, BaseDistribution],
        rows: Sequence[TrialRecord],
        evaluations: Mapping[int, Sequence[EvaluationRecord]],
    ) -> None:
        """Take in the stored trials; `evaluations` with cells, if an objective needs them.

        DamagedRow when a trial does not fit the distributions.
        """
        self._pruning = pruning
        self._objectives = objectives
        self._with_cells = needs_cells(objectives.others)
        self._costs: dict[int, Cost] = {}
        self._seen: dict[int, dict[int, Seen]] = {}  # of running trials, by step
        self._points: dict[int, Point] = {}  # of complete trials
        stored = all_as_optuna(rows, evaluations, distributions, self._step)
        learned = []
        for trial, row in zip(stored, rows, strict=True):
            learned.append(self._take_in(trial, row, evaluations.get(row.number, ())))
        self._study, self._storage = in_memory(learned, objectives.directions)

    def _step(self, evaluation: EvaluationRecord) -> int:
        return self._pruning.step(evaluation.epochs)

    def _take_in(
        self, trial: FrozenTrial, row: TrialRecord, evaluations: Sequence[EvaluationRecord]
    ) -> FrozenTrial:
        """Return a stored trial as samplers see it; the pruner learns of it too."""
        number = trial.number
        seen: dict[int, Seen] = {}
        if self._with_cells:
            for each in evaluations:
                seen.setdefault(self._step(each), (each.objective, each.cells))
        else:
            for step, value in trial.intermediate_values.items():
                seen[step] = (value, ())
        self._seen[number] = seen
        if trial.state == TrialState.RUNNING:
            return trial
        state = trial.state if row.counts else TrialState.FAIL
        learned = self._learn(number, state, row.value, row.cost, row.cause)
        if not self._objectives.others:
            trial.state = learned.state
            return trial
        constraints = {INFEASIBLE: 1.0} if learned.is_infeasible else None
        return create_trial(
            state=learned.state,
            values=learned.values,
            params=trial.params,
            distributions=trial.distributions,
            intermediate_values=trial.intermediate_values,
            constraints=constraints,
        )

    def enqueue(self, drawn: Mapping[str, Scalar]) -> None:
        """Make this the next draw."""
        self._study.enqueue_trial(dict(drawn))

    def ask(self, sampler: SamplerSpec, seed: int) -> Trial:
        """Begin a trial, drawn by that sampler."""
        self._study.sampler = make_sampler(sampler, seed)
        return self._begun(self._study.ask())

    def resume(self, number: int, sampler: SamplerSpec, seed: int) -> Trial:
        """Go on with a stored trial that was running."""
        self._study.sampler = make_sampler(sampler, seed)
        return self._begun(Trial(self._study, number))

    def sampling(self) -> AbstractContextManager[None]:
        """Return a block in which values are drawn: samplers see the best trials and a sample."""
        return self._storage.sampling()

    def _begun(self, trial: Trial) -> Trial:
        self._seen.setdefault(trial.number, {})
        return trial

    def refuse(self, trial: Trial) -> None:
        """End a trial that is not trained: samplers learn nothing from it."""
        del self._seen[trial.number]
        self._study.tell(trial, state=TrialState.FAIL)

    def measured(self, number: int, cost: Cost) -> None:
        """Note what a running trial costs."""
        self._costs[number] = cost

    def report(self, trial: Trial, evaluation: EvaluationRecord) -> bool:
        """Add an evaluation; return whether to prune the trial.

        One whose step is known, by an earlier attempt too, changes nothing.
        """
        number = trial.number
        step = self._step(evaluation)
        if step in self._storage.get_trial(number).intermediate_values:
            return False
        cells = evaluation.cells if self._with_cells else ()
        self._seen[number][step] = (evaluation.objective, cells)
        self._storage.set_trial_intermediate_value(number, step, evaluation.objective)
        return self._pruning.gives_up(self._curve(number))

    def end(
        self, trial: Trial, state: TrialState, value: float | None, cost: Cost | None, cause: str
    ) -> None:
        """Complete, prune or fail a running trial."""
        learned = self._learn(trial.number, state, value, cost, cause)
        if learned.is_infeasible:
            trial.set_constraint(INFEASIBLE, 1.0)
        self._study.tell(trial, learned.values, state=learned.state)

    def _learn(
        self, number: int, state: TrialState, value: float | None, cost: Cost | None, cause: str
    ) -> _Learned:
        """Return an ended trial as samplers see it; a complete one is remembered by pruners too."""
        if cost:
            self._costs[number] = cost
        several = bool(self._objectives.others)
        values = self._values_at_end(number, state, value)
        del self._seen[number]
        self._costs.pop(number, None)
        if several and values is not None and not any(map(math.isnan, values)):
            return _Learned(TrialState.COMPLETE, values)
        if state == TrialState.FAIL and cause.startswith(OF_VALUES):
            return _Learned(TrialState.PRUNED, is_infeasible=several)
        if several:
            return _Learned(TrialState.FAIL)
        return _Learned(state, values)

    def _values_at_end(
        self, number: int, state: TrialState, value: float | None
    ) -> tuple[float, ...] | None:
        if state == TrialState.COMPLETE and value is not None:
            self._pruning.remember(self._curve(number))
            values = self._values(number, value)
            self._points[number] = self._objectives.signed(values)
            return values
        if state == TrialState.PRUNED and self._objectives.others and self._seen[number]:
            last = max(self._seen[number])
            return self._values(number, self._seen[number][last][0])
        return None

    def _curve(self, number: int) -> Curve:
        cost = self._costs.get(number)
        return {
            step: self._objectives.point(value, cells, cost)
            for step, (value, cells) in self._seen[number].items()
        }

    def _values(self, number: int, value: float) -> tuple[float, ...]:
        """Return the value in every objective, by the cells of the evaluation nearest to it."""
        seen = self._seen[number].values()
        _, cells = min(seen, key=lambda each: abs(each[0] - value), default=(value, ()))
        return self._objectives.values(value, cells, self._costs.get(number))

    def best(self, count: int) -> list[int]:
        """Return the numbers of the complete trials to go on with (results/trade_offs.py)."""
        numbers = sorted(self._points)
        chosen = spread([self._points[number] for number in numbers], count)
        return [numbers[index] for index in chosen]

    def importances(self) -> dict[str, float]:
        """Return each parameter's share in the spread of the first objective (PED-ANOVA).

        Empty when there are too few complete trials.
        """
        values = {point[0] for point in self._points.values()}
        if len(self._points) < FEWEST_FOR_IMPORTANCES or len(values) == 1:
            return {}
        of_first = (lambda trial: trial.values[0]) if self._objectives.others else None
        # Optuna warns of few trials; the report says how many there were.
        with quiet.without(UserWarning):
            importances = optuna.importance.get_param_importances(self._study, target=of_first)
        total = sum(importances.values())
        if total <= 0:
            return {}
        return {name: share / total for name, share in importances.items()}
