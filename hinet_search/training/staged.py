"""Staged: a model that is no torch module grows stage by stage, is evaluated after each, and goes back to the best one.

Whatever follows a training (pruners, patience, curves, budgets) sees the same events as of a network: the whole growth
stands for the passes that the study allows.
Shape legend: R rows, T tasks.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hinet_search.data.columns import Columns, Dataset
from hinet_search.objective import Objective
from hinet_search.records import EvaluationRecord
from hinet_search.schema import Schema
from hinet_search.training.best import BestModel
from hinet_search.training.config import TrainConfig
from hinet_search.training.device import begin_peak_memory, peak_memory_bytes
from hinet_search.training.fit import FitResult, Watcher
from hinet_search.training.loss import own_scenario_loss
from hinet_search.training.metrics import cell_values

CPU = torch.device("cpu")
LOSS_ROWS = 8192  # of the training rows, evenly spaced, on which the training loss is taken


@runtime_checkable
class Staged(Protocol):
    """A model that grows. Its state, as a network's, is named tensors: kept with safetensors and loaded without data."""

    def stages(self, train: Columns, seed: int) -> Iterator[float]:
        """Grows from nothing; yields the share of the growth that is done after every stage, at last exactly 1."""

    def logits(self, columns: Columns) -> NDArray[np.float32]:
        """Logits (R, T) of each row's own scenario, of what has grown so far."""

    def state_dict(self) -> dict[str, Tensor]:
        """All that `logits` needs beside configuration and schema."""

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> object:
        """Puts a state back, of this model or of another one of the same configuration and schema."""

    @property
    def num_parameters(self) -> int:
        """Numbers that were learned; before anything has grown, the most that there can be."""

    def describe(self) -> str:
        """The model in a few lines, for a reader who asks what would be trained."""


@dataclass(frozen=True)
class _Growth:
    """What stays the same while a model grows."""

    model: Staged
    dataset: Dataset
    schema: Schema
    config: TrainConfig
    best: BestModel
    began: float


def fit_staged(  # noqa: PLR0913  as `fit`, which it stands beside
    model: Staged,
    dataset: Dataset,
    schema: Schema,
    config: TrainConfig,
    *,
    seed: int,
    objective: Objective,
    watcher: Watcher,
) -> FitResult:
    """Grows `model` in place on the CPU; it ends as it was after its best stage on validation.

    Of `config` it reads `passes`, for which the whole growth stands, and `patience`. The watcher may stop it between
    stages. `rows_per_second` counts the passes stood for. The number of threads is the caller's.
    """
    growth = _Growth(model, dataset, schema, config, BestModel(model, objective), time.perf_counter())
    begin_peak_memory(CPU)
    records: list[EvaluationRecord] = []
    stopped = _run(growth, seed, records, watcher)
    growth.best.restore()
    seconds = time.perf_counter() - growth.began
    passes = records[-1].passes if records else 0.0
    return FitResult(
        evaluations=tuple(records),
        best_step=growth.best.evaluation,
        valid_cells=growth.best.cells,
        valid_objective=objective(growth.best.cells) if records else None,
        stopped=stopped,
        rows_per_second=passes * dataset.train.num_rows / seconds,
        seconds=seconds,
        peak_memory_bytes=peak_memory_bytes(CPU),
    )


def _run(growth: _Growth, seed: int, records: list[EvaluationRecord], watcher: Watcher) -> bool:
    """Stages and evaluations to the end of the growth or of patience; True when the watcher stopped them before."""
    stages = growth.model.stages(growth.dataset.train, seed)
    patience, share = growth.config.patience, 0.0
    while share < 1.0:
        if watcher.should_stop():
            return True
        share = next(stages)
        records.append(_evaluate(growth, len(records) + 1, share))
        watcher.evaluated(records[-1])
        if patience and len(records) - growth.best.evaluation >= patience:
            break
    return False


def _evaluate(growth: _Growth, number: int, share: float) -> EvaluationRecord:
    valid = growth.dataset.valid
    cells = cell_values(growth.model.logits(valid), valid, growth.schema.scenarios, growth.schema.tasks)
    growth.best.offer(number, cells)
    return EvaluationRecord(
        step=number,
        passes=share * growth.config.passes,
        objective=growth.best.objective(cells),
        train_loss=_loss(growth.model, growth.dataset.train),
        seconds=time.perf_counter() - growth.began,
        cells=cells,
        memory_bytes=peak_memory_bytes(CPU),
    )


def _loss(model: Staged, train: Columns) -> float:
    """Mean cross-entropy on some training rows."""
    step = -(-train.num_rows // LOSS_ROWS)
    some = Columns(**{field.name: getattr(train, field.name)[::step] for field in fields(Columns)})
    labels_RT = torch.from_numpy(some.labels_RT.astype(np.float32))
    return own_scenario_loss(torch.from_numpy(model.logits(some)), labels_RT).item()
