"""Fit stacked: several trainings on the same rows as one, where that is faster.

Each ends as `fit` would end it, up to rounding, and has its own evaluations, patience, checkpoints
and end. Those that have ended are taken out of the stack, so that its steps become shorter.
Shape legend: K models, B rows of a batch, R rows of a split, T tasks.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn

from hinet_search.models.layers.contracts import WeightDependent
from hinet_search.models.layers.measure import count_parameters, flops_per_row
from hinet_search.training.checkpoint import Checkpoints, whole
from hinet_search.training.device import begin_peak_memory
from hinet_search.training.divergence import Diverged
from hinet_search.training.fit import fit
from hinet_search.training.run_state import (
    Conditions,
    FitResult,
    TrainingRun,
    TrainingState,
    TrainingWatcher,
    batches,
    begin,
    begin_pass,
    evaluate,
    finish,
    out_of_patience,
)
from hinet_search.training.seeding import Purpose, derived_seed, seeded
from hinet_search.training.snapshot import Training
from hinet_search.training.stack import Stack, StackedSteps
from hinet_search.training.stack_probe import stack_is_faster
from hinet_search.training.teaching import step_loss
from hinet_search.training.train_config import TrainConfig

# Measured on one CPU core (docs/performance.md): short steps consist of many small kernels, and a
# stack needs fewer of them.
MINIMUM_MODELS = 3
MAXIMUM_WORK = 2e8  # FLOPs of a model's forward step, plus the work of its optimiser
WORK_OF_A_PARAMETER = 100  # FLOPs that take as long as the update of one parameter
Outcome = FitResult | Diverged
Ended = Callable[[int, Outcome], None]  # receives the number of a training, and how it ended


def ignore_end(_number: int, _outcome: Outcome) -> None:
    """Ignore that a training has ended."""


@dataclass(eq=False)
class _Lane:
    """The training of one model of the stack, whose place among the results is `number`."""

    number: int
    training: Training
    watcher: TrainingWatcher
    checkpoints: Checkpoints | None
    checkpoint: Mapping[str, Any] | None  # from which it resumes, until it does
    first_step: int  # steps that were taken before
    diverged: Diverged | None = None
    stopped: bool = False

    @property
    def run(self) -> TrainingRun:
        """What stays the same."""
        return self.training.run

    @property
    def state(self) -> TrainingState:
        """What changes."""
        return self.training.state

    @property
    def done(self) -> bool:
        """Whether this training has ended, while others may go on."""
        has_diverged = self.diverged is not None
        return has_diverged or self.stopped or out_of_patience(self.run, self.state)

    def start(self) -> Mapping[str, Any] | None:
        """Begin or resume; return the state of the optimiser where it resumes."""
        now = time.perf_counter()
        checkpoint = self.checkpoint
        self.state.began = self.state.loop_began = now
        if checkpoint is None:
            return None
        self.state.began -= checkpoint["seconds"]
        self.training.put_back(checkpoint)
        if checkpoint.get("diverged"):
            self.diverged = Diverged(*checkpoint["diverged"])
        for record in self.state.evaluations:
            self.watcher.on_evaluation(record)
        self.checkpoint = None
        optimiser: Mapping[str, Any] = checkpoint["optimisers"][0]
        return optimiser

    def save(self, optimiser: Mapping[str, Any]) -> None:
        """Write a checkpoint, from which `fit` can resume too."""
        if self.checkpoints is None:
            return
        with self.keeping_divergence():
            self.state.step_log.read(self.state.step)
        taken = self.training.take([optimiser])
        diverged = self.diverged and self.diverged.args
        self.checkpoints.save(self.state.step, {**taken, "diverged": diverged})

    def skip(self, seconds: float) -> None:
        """Leave out seconds that count for others."""
        self.state.began += seconds
        self.state.loop_began += seconds

    def outcome(self) -> Outcome:
        """Restore the best weights and return how the training ended."""
        with whole([self.checkpoints]):
            return self.diverged or finish(self.run, self.state, stopped=self.stopped)

    @contextmanager
    def keeping_divergence(self) -> Iterator[None]:
        """Note that this training has diverged, and let the others go on."""
        try:
            yield
        except Diverged as error:
            self.diverged = error


def fit_stacked(
    models: Sequence[nn.Module],
    conditions: Sequence[Conditions],
    watchers: Sequence[TrainingWatcher],
    checkpoints: Sequence[Checkpoints | None] = (),
    ended: Ended = ignore_end,
) -> list[Outcome]:
    """Train the models in place, each as `fit` does, with one order of rows.

    The conditions may differ in what the models of a stack may differ in (training/stack.py), and
    in patience. A model that diverges, runs out of patience or is stopped by its watcher leaves the
    others alone. `ended` receives each outcome as soon as it is there; all are returned in order.
    Trainings that resume are stacked with those that have taken equally many steps. Seconds and
    speed are an equal share of the stack's.
    """
    device = conditions[0].device
    begin_peak_memory(device)
    each = checkpoints or [None] * len(models)
    lanes = [
        _lane(number, *arguments)
        for number, arguments in enumerate(zip(models, conditions, watchers, each, strict=True))
    ]
    outcomes: dict[int, Outcome] = {}

    def end(number: int, outcome: Outcome) -> None:
        outcomes[number] = outcome
        ended(number, outcome)

    with whole(each):
        for first_step in sorted({lane.first_step for lane in lanes}):
            together = [lane for lane in lanes if lane.first_step == first_step]
            with seeded(together[0].run.conditions.seed, Purpose.DROPOUT, device):
                _Together(together, end).train(first_step)
    return [outcomes[number] for number in range(len(models))]


def _lane(
    number: int,
    model: nn.Module,
    conditions: Conditions,
    watcher: TrainingWatcher,
    checkpoints: Checkpoints | None,
) -> _Lane:
    """Return a training before it begins or resumes."""
    run, state = begin(model.to(conditions.device).train(), conditions, began=0.0)
    generator = None
    if conditions.device.type == "cpu":
        generator = torch.Generator()
        generator.manual_seed(derived_seed(conditions.seed, Purpose.DROPOUT))
    checkpoint = checkpoints.latest() if checkpoints else None
    first_step = checkpoint["plain"]["step"] if checkpoint else 0
    training = Training(run, state, generator)
    return _Lane(number, training, watcher, checkpoints, checkpoint, first_step)


class _Together:
    """Trainings that take all steps together from now on; `lanes` are those that go on."""

    def __init__(self, lanes: Sequence[_Lane], end: Ended) -> None:
        self._end = end
        self._lanes: list[_Lane] = []
        optimisers = [lane.start() for lane in lanes]
        self._counted = time.perf_counter()
        first = lanes[0].run.conditions
        self._loss = step_loss(
            first.config, first.schema, first.dataset.train, first.teacher_RT, first.device
        )
        self._go_on_with(lanes, optimisers)

    def train(self, first_step: int) -> None:
        """Train until each has ended."""
        if not self._lanes:
            return
        run = self._lanes[0].run
        rows_of_steps = batches(run, first_step, self._begin_pass)
        for step, rows_B in enumerate(rows_of_steps, first_step + 1):
            self._stop()
            if self._lanes:
                self._step(step, rows_B)
            if self._lanes and step in run.schedule.evaluation_steps:
                self._evaluate()
            self._leave()
            if not self._lanes:
                return
        self._share_out()
        self._end_all(self._lanes)

    def _begin_pass(self, passes_done: int) -> None:
        """Announce a pass to every model."""
        for lane in self._lanes:
            begin_pass(lane.run, passes_done)

    def _stop(self) -> None:
        """Take out those that their watchers stop; write the checkpoints that are due."""
        for lane in self._lanes:
            lane.stopped = lane.watcher.should_stop()
        if any(lane.stopped for lane in self._lanes):
            # What stops all may have come after some were asked.
            for lane in self._lanes:
                lane.stopped = lane.stopped or lane.watcher.should_stop()
        if all(lane.checkpoints and lane.checkpoints.due() for lane in self._lanes):
            for lane, state in zip(self._lanes, self._states(), strict=True):
                lane.save(state)
        self._leave()

    def _step(self, step: int, rows_B: Int[Tensor, "B"]) -> None:
        rate_share = self._lanes[0].run.schedule.rate_share(step - 1)
        loss_K, norm_K = self._steps.take(rows_B, rate_share)
        for lane, loss, norm in zip(self._lanes, loss_K, norm_K, strict=True):
            lane.state.step = step
            lane.state.rows += len(rows_B)
            with lane.keeping_divergence():
                lane.state.step_log.add(step, loss, norm)
        self._share_out()

    def _evaluate(self) -> None:
        began = time.perf_counter()
        before = [lane.state.evaluation_seconds for lane in self._lanes]
        scores_KRT = self._steps.stack.scores(self._lanes[0].run.valid_feed)
        for lane, scores_RT in zip(self._lanes, scores_KRT, strict=True):
            if lane.diverged is None:
                with lane.keeping_divergence():
                    lane.watcher.on_evaluation(evaluate(lane.run, lane.state, scores_RT))
        share = (time.perf_counter() - began) / len(self._lanes)
        for lane, seconds in zip(self._lanes, before, strict=True):
            lane.state.evaluation_seconds = seconds + share
        self._share_out()

    def _share_out(self) -> None:
        """Count the seconds since the last call in equal shares."""
        now = time.perf_counter()
        of_others = (now - self._counted) * (1 - 1 / max(len(self._lanes), 1))
        self._counted = now
        for lane in self._lanes:
            lane.skip(of_others)

    def _leave(self) -> None:
        """Take out the trainings that are done."""
        lanes = self._lanes
        if not any(lane.done for lane in lanes):
            return
        states = self._states()
        others_go_on = not all(lane.done for lane in lanes)
        for lane, state in zip(lanes, states, strict=True):
            # When the others resume, it must not begin again.
            if lane.stopped or (lane.done and others_go_on):
                lane.save(state)
        self._share_out()
        self._go_on_with(lanes, states)

    def _go_on_with(
        self, lanes: Sequence[_Lane], optimisers: Sequence[Mapping[str, Any] | None]
    ) -> None:
        """End those that are done, and stack the others."""
        going_on = [
            (lane, state) for lane, state in zip(lanes, optimisers, strict=True) if not lane.done
        ]
        self._lanes = [lane for lane, _ in going_on]
        self._end_all([lane for lane in lanes if lane.done])
        if going_on:
            self._stack([state for _, state in going_on if state is not None])

    def _stack(self, optimisers: Sequence[Mapping[str, Any]]) -> None:
        """Stack the models, and put back the states of their optimisers, if any."""
        models = [lane.run.model for lane in self._lanes]
        generators = [lane.training.generator for lane in self._lanes]
        self._steps = StackedSteps(
            Stack(models, [each for each in generators if each is not None]),
            self._lanes[0].run.feed,
            [lane.run.conditions.config for lane in self._lanes],
            self._loss,
        )
        if optimisers:
            self._steps.optimiser.put_back(optimisers)

    def _states(self) -> list[dict[str, Any]]:
        """Return the state of every model's optimiser."""
        return self._steps.optimiser.states_of_models(len(self._lanes))

    def _end_all(self, ended: Sequence[_Lane]) -> None:
        """Give the outcomes; what is done with them counts for no training."""
        for lane in ended:
            lane.skip(time.perf_counter() - self._counted)
            self._end(lane.number, lane.outcome())
        now = time.perf_counter()
        for lane in self._lanes:
            lane.skip(now - self._counted)
        self._counted = now


def fit_together(
    models: Sequence[nn.Module],
    conditions: Sequence[Conditions],
    watchers: Sequence[TrainingWatcher],
    checkpoints: Sequence[Checkpoints | None] = (),
    ended: Ended = ignore_end,
) -> list[Outcome]:
    """Train every model in place under its conditions, stacked if that is possible and faster.

    Otherwise they train one after another. A model that diverges does not stop the others. Both
    ways, `ended` and results are as those of `fit_stacked`, and so are the checkpoints.
    """
    first = conditions[0]
    if len(models) > 1 and can_stack(models[0], first.config) and stacking_pays(models, conditions):
        return fit_stacked(models, conditions, watchers, checkpoints, ended)
    each = checkpoints or [None] * len(models)
    outcomes = []
    for number, arguments in enumerate(zip(models, conditions, watchers, each, strict=True)):
        outcomes.append(_fit_or_diverge(*arguments))
        ended(number, outcomes[-1])
    return outcomes


def can_stack(model: nn.Module, config: TrainConfig) -> bool:
    """Return whether one stacked step can replace a step of each model.

    It cannot with optimisers of touched rows, with torch's own dropout, or in a model that chooses
    what to compute by its weights.
    """
    cannot = any(
        (isinstance(module, WeightDependent) and module.reads_weights)
        or (isinstance(module, nn.Dropout) and module.p > 0)
        for module in model.modules()
    )
    updates_all_rows = config.embedding_optimiser == "adam"
    return updates_all_rows and not cannot


def stacking_pays(models: Sequence[nn.Module], conditions: Sequence[Conditions]) -> bool:
    """Return whether a stacked step is faster than a step of each model.

    On the CPU sizes decide, by figures that were measured once; on another device a probe does.
    """
    first = conditions[0]
    if first.device.type != "cpu":
        return stack_is_faster(models, conditions)
    num_parameters, _ = count_parameters(models[0])
    forward_flops = first.config.batch_size * flops_per_row(models[0], first.schema)
    return stack_is_small(len(models), forward_flops, num_parameters)


def stack_is_small(num_models: int, forward_flops: int, num_parameters: int) -> bool:
    """Return whether a stack is faster on the CPU, by the FLOPs of a model's forward step."""
    work = forward_flops + WORK_OF_A_PARAMETER * num_parameters
    return num_models >= MINIMUM_MODELS and work <= MAXIMUM_WORK


def _fit_or_diverge(
    model: nn.Module,
    conditions: Conditions,
    watcher: TrainingWatcher,
    checkpoints: Checkpoints | None,
) -> Outcome:
    try:
        return fit(model, conditions, watcher, checkpoints)
    except Diverged as error:
        return error
