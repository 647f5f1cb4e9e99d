"""Trainable: a built model with its training, scoring and measurement, for both kinds of model.

Only this module distinguishes torch networks from models that grow in stages.
Shape legend: R rows, T tasks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hinet_search.common.errors import DataError
from hinet_search.data.columns import Columns
from hinet_search.data.schema import Schema
from hinet_search.models.layers.contracts import Explainable
from hinet_search.models.layers.measure import (
    count_parameters,
    draw,
    flops_per_row,
    milliseconds,
    outline,
)
from hinet_search.results.records import EvaluationRecord, Insight
from hinet_search.training.checkpoint import Checkpoints
from hinet_search.training.feed import make_feed, predict
from hinet_search.training.fit import fit
from hinet_search.training.fit_staged import CPU, Staged, fit_staged
from hinet_search.training.run_state import Conditions, FitResult, TrainingWatcher
from hinet_search.training.tensors import differences

INSIGHT_ROWS = 8192
CANDIDATES = 100  # rows of one request

BuiltModel = nn.Module | Staged


@dataclass(frozen=True)
class Network:
    """A torch module, trained by gradients on `device`."""

    model: nn.Module
    schema: Schema
    device: torch.device

    @property
    def costs_are_known(self) -> bool:
        """Whether the model costs the same before its training as after."""
        return True

    def scores(self, columns: Columns) -> NDArray[np.float32]:
        """Return logits (R, T)."""
        return predict(self.model.to(self.device), make_feed(columns, self.device))

    def num_parameters(self) -> tuple[int, int]:
        """Return the numbers of parameters: (all, without feature embeddings)."""
        return count_parameters(self.model)

    def flops_per_row(self) -> int:
        """Return the FLOPs of the forward pass of a row."""
        return flops_per_row(self.model, self.schema)

    def insight(self, columns: Columns) -> Insight:
        """Return diagnostics on evenly spaced rows: attention and gates."""
        feed = make_feed(columns, self.device)
        rows = torch.linspace(0, len(feed) - 1, min(INSIGHT_ROWS, len(feed))).long()
        batch, _ = feed.select(rows)
        insight = self.model.insight(batch) if isinstance(self.model, Explainable) else Insight()
        absent = {f"{scenario}/{task}" for scenario, task in self.schema.absent_cells}
        gates = tuple(gate for gate in insight.gates if gate.where not in absent)
        return replace(insight, gates=gates)

    def milliseconds_per_100(self, columns: Columns) -> float:
        """Return the median time to score the first rows as one request, from columns to logits."""
        feed = make_feed(columns.head(CANDIDATES), self.device)
        model = self.model.to(self.device)
        return milliseconds(lambda: predict(model, feed))

    def steps_until(self, evaluation: EvaluationRecord, steps_per_epoch: int) -> int:
        """Return the steps of its training up to an evaluation."""
        return round(evaluation.epochs * steps_per_epoch)

    def describe(self) -> str:
        """Return the model's outline."""
        return draw(outline(self.model, self.schema))


@dataclass(frozen=True)
class StagedModel:
    """A staged model, grown on the CPU. It has no embeddings and no matrix products."""

    model: Staged
    schema: Schema
    device: torch.device = CPU

    @property
    def costs_are_known(self) -> bool:
        """Whether the model costs the same before its training as after: it has yet to grow."""
        return False

    def scores(self, columns: Columns) -> NDArray[np.float32]:
        """Return logits (R, T)."""
        return self.model.logits(columns)

    def num_parameters(self) -> tuple[int, int]:
        """Return the number of parameters, twice: there are no embeddings."""
        return self.model.num_parameters, self.model.num_parameters

    def flops_per_row(self) -> int:
        """Return 0: only matrix products count."""
        return 0

    def insight(self, columns: Columns) -> Insight:  # noqa: ARG002  without gates and attention
        """Return empty diagnostics."""
        return Insight()

    def milliseconds_per_100(self, columns: Columns) -> float:
        """Return the median time to score the first rows as one request, from columns to logits."""
        return milliseconds(lambda: self.model.logits(columns.head(CANDIDATES)))

    def steps_until(self, evaluation: EvaluationRecord, steps_per_epoch: int) -> int:  # noqa: ARG002  a stage has no steps
        """Return the stages of its growth up to an evaluation: one after every stage."""
        return evaluation.step

    def describe(self) -> str:
        """Return the model's own description."""
        return self.model.describe()


Trainable = Network | StagedModel


def fit_any(
    model: Trainable,
    conditions: Conditions,
    watcher: TrainingWatcher,
    checkpoints: Checkpoints | None = None,
) -> FitResult:
    """Train a model in place; it ends with its best weights.

    A network resumes from its latest checkpoint if there is one; a staged model starts again.
    Errors: Diverged.
    """
    if isinstance(model, StagedModel):
        return fit_staged(model.model, conditions, watcher)
    return fit(model.model, conditions, watcher, checkpoints)


def trainable(model: BuiltModel, schema: Schema, device: torch.device) -> Trainable:
    """Wrap a model by its kind; a staged model stays on the CPU whatever `device` is."""
    if isinstance(model, nn.Module):
        return Network(model, schema, device)
    return StagedModel(model, schema)


def put_weights(model: BuiltModel, tensors: Mapping[str, Tensor], path: Path, remedy: str) -> None:
    """Load the tensors of a file into a model.

    Errors: DataError unless they are weights of a model built in the same way.
    """
    refuse_other_weights(model, tensors, path, remedy)
    try:
        model.load_state_dict(tensors)
    except ValueError as error:  # a staged model refuses a state that is not its own
        raise _other_weights(path, str(error), remedy) from error


def refuse_other_weights(
    model: BuiltModel, tensors: Mapping[str, Tensor], path: Path, remedy: str
) -> None:
    """Raise DataError unless the tensors have the names, types and shapes of a network's weights.

    The network can be of the meta device. Staged models are not checked here.
    """
    faults = differences(tensors, model.state_dict()) if isinstance(model, nn.Module) else []
    if faults:
        others = f", and {len(faults) - 1} more" if len(faults) > 1 else ""
        raise _other_weights(path, faults[0] + others, remedy)


def _other_weights(path: Path, fault: str, remedy: str) -> DataError:
    return DataError(
        f"{path}: must hold the weights of its model as it is built here, but does not: {fault}",
        remedy=remedy,
    )
