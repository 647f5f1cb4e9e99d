"""Staged: train a model that is no torch module, stage by stage, and keep its best stage.

Pruners, patience, curves and budgets see the same events as from a network: the whole growth counts
as the epochs that the study allows.
Shape legend: R rows, T tasks.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hinet_search.data.columns import Columns
from hinet_search.results.records import EvaluationRecord
from hinet_search.training.best_weights import BestModel
from hinet_search.training.device import begin_peak_memory, peak_memory_bytes
from hinet_search.training.metrics import cell_values
from hinet_search.training.run_state import Conditions, FitResult, TrainingWatcher
from hinet_search.training.teaching import step_loss
from hinet_search.training.train_config import TrainConfig

CPU = torch.device("cpu")
LOSS_ROWS = 8192  # training rows, evenly spaced, on which the training loss is computed


@runtime_checkable
class Staged(Protocol):
    """A model that grows in stages.

    Like a network's, its state is named tensors, stored with safetensors and loaded without data.
    """

    def stages(self, train: Columns, seed: int) -> Iterator[float]:
        """Grow from nothing; after every stage yield the finished share, at the end exactly 1."""

    def logits(self, columns: Columns) -> NDArray[np.float32]:
        """Return logits (R, T) of each row's own scenario, from the stages grown so far."""

    def state_dict(self) -> dict[str, Tensor]:
        """Return all that `logits` needs besides configuration and schema."""

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> object:
        """Restore a state of a model with the same configuration and schema."""

    @property
    def num_parameters(self) -> int:
        """The number of learned values; before anything has grown, the maximum."""

    def describe(self) -> str:
        """Describe in a few lines what would be trained."""


def fit_staged(model: Staged, conditions: Conditions, watcher: TrainingWatcher) -> FitResult:
    """Grow `model` in place on the CPU; it ends as it was after its best stage on validation.

    Of the training configuration only `epochs`, which the whole growth counts as, and `patience`
    are used; with `fixed_steps` the growth ends after so many stages and is evaluated only then.
    The watcher can stop the growth between stages. `rows_per_second` is computed from these epochs.
    The number of threads is left to the caller.
    """
    began = time.perf_counter()
    begin_peak_memory(CPU)
    best = BestModel(model, conditions.objective)
    train = conditions.dataset.train
    fixed = conditions.fixed_steps
    patience = conditions.config.patience
    records: list[EvaluationRecord] = []
    stages = model.stages(train, conditions.seed)
    stage = 0
    share = 0.0
    stopped = False
    while share < 1.0:
        stopped = watcher.should_stop()
        if stopped:
            break
        stage += 1
        share = next(stages)
        if fixed and stage < fixed.total:
            continue
        records.append(_evaluate(model, conditions, best, stage, share, began))
        watcher.on_evaluation(records[-1])
        if fixed or (patience and stage - best.evaluation >= patience):
            break
    best.restore()
    seconds = time.perf_counter() - began
    epochs = records[-1].epochs if records else 0.0
    return FitResult(
        evaluations=tuple(records),
        best_step=best.evaluation,
        valid_cells=best.cells,
        valid_objective=conditions.objective(best.cells) if records else None,
        stopped=stopped,
        rows_per_second=epochs * train.num_rows / seconds,
        seconds=seconds,
        peak_memory_bytes=peak_memory_bytes(CPU),
    )


def _evaluate(
    model: Staged, conditions: Conditions, best: BestModel, stage: int, share: float, began: float
) -> EvaluationRecord:
    valid = conditions.dataset.valid
    logits_RT = model.logits(valid)
    cells = cell_values(logits_RT, valid, conditions.schema.cells, further=conditions.further)
    best.offer(stage, cells)
    return EvaluationRecord(
        step=stage,
        epochs=share * conditions.config.epochs,
        objective=conditions.objective(cells),
        train_loss=_loss(model, conditions),
        seconds=time.perf_counter() - began,
        cells=cells,
        memory_bytes=peak_memory_bytes(CPU),
    )


def _loss(model: Staged, conditions: Conditions) -> float:
    """Return the mean cross-entropy on a sample of the training rows."""
    train = conditions.dataset.train
    sample = train.spaced(-(-train.num_rows // LOSS_ROWS))
    labels_RT = torch.from_numpy(sample.labels_RT.astype(np.float32))
    logits_RT = torch.from_numpy(model.logits(sample))
    loss = step_loss(TrainConfig(), conditions.schema, sample, None, CPU)
    scenario_R = torch.from_numpy(sample.scenario_R.astype(np.int64))
    return loss(logits_RT, labels_RT, torch.arange(len(labels_RT)), scenario_R).item()
