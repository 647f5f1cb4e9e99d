"""Best: keep the weights that are best on validation during training, and restore them at the end.

`evaluation` is the number of the evaluation that last changed the kept weights, 0 before the first;
`cells` are the values of the kept weights. If parts keep weights of different evaluations, each
cell is a maximum, which is higher than the cells of one evaluation even if the model is no better.
So these cells only decide which weights to keep; models are compared by their evaluations.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from hinet_search.models.layers.contracts import IndependentParts, Part
from hinet_search.results.objectives import Objective
from hinet_search.results.records import CellValue

Weights = dict[str, Tensor]


@runtime_checkable
class Stateful(Protocol):
    """A torch module, or another model with the same two methods."""

    def state_dict(self) -> dict[str, Any]:
        """Return tensors by name."""

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> object:
        """Restore them."""


@dataclass
class BestModel:
    """The weights of the best evaluation by the objective; of two equal ones, the earlier."""

    model: Stateful
    objective: Objective
    evaluation: int = 0
    cells: tuple[CellValue, ...] = ()
    weights: Weights = field(default_factory=dict)

    def offer(self, evaluation: int, cells: tuple[CellValue, ...]) -> None:
        """Keep the current weights if they are better."""
        objective = self.objective
        if not self.weights or objective.better(objective(cells), objective(self.cells)):
            self.evaluation, self.cells, self.weights = evaluation, cells, _copy(self.model)

    def restore(self) -> None:
        """Restore the kept weights and let them go; without any, leave the model as it is."""
        if self.weights:
            self.model.load_state_dict(self.weights)
            self.weights = {}


@dataclass
class BestParts:
    """Each part's own best weights: those that improve the objective of the combined model.

    Parts share no parameter, so the combined model has exactly the parts' cells. If a part does not
    change the objective, which can be of a single cell, its own score decides. A part without
    validation rows keeps its latest weights.
    """

    parts: tuple[Part, ...]
    objective: Objective
    evaluation: int = 0
    cells: tuple[CellValue, ...] = ()
    weights: list[Weights] = field(default_factory=list)

    def offer(self, evaluation: int, cells: tuple[CellValue, ...]) -> None:
        """Keep the current weights of the parts that became better."""
        if not self.weights:
            self.evaluation = evaluation
            self.cells = cells
            self.weights = [_copy(part.module) for part in self.parts]
        for number, part in enumerate(self.parts):
            combined = list(self.cells)
            for cell in part.cells:
                combined[cell] = cells[cell]
            if self._is_better(part, combined):
                self.evaluation, self.cells = evaluation, tuple(combined)
                self.weights[number] = _copy(part.module)

    def _is_better(self, part: Part, combined: Sequence[CellValue]) -> bool:
        new_value = self.objective(combined)
        kept_value = self.objective(self.cells)
        if new_value != kept_value:
            return self.objective.better(new_value, kept_value)
        new_score = _score([combined[cell] for cell in part.cells])
        kept_score = _score([self.cells[cell] for cell in part.cells])
        return new_score is None or kept_score is None or new_score > kept_score

    def restore(self) -> None:
        """Restore and let go every part's kept weights; without any, leave the model as it is."""
        if self.weights:
            for part, weights in zip(self.parts, self.weights, strict=True):
                part.module.load_state_dict(weights)
            self.weights = []


Best = BestModel | BestParts


def keep_best(model: nn.Module, objective: Objective) -> Best:
    """Keep a model's best weights as a whole, or part by part if it has IndependentParts."""
    if isinstance(model, IndependentParts):
        return BestParts(model.independent_parts(), objective)
    return BestModel(model, objective)


def _score(cells: Sequence[CellValue]) -> float | None:
    """Return the mean AUC of cells that have one, else minus the mean log loss; None without rows.

    Which cells have an AUC depends only on the labels, so the scores of a part are all of one kind.
    """
    aucs = [cell.auc for cell in cells if cell.auc is not None]
    losses = [-cell.logloss for cell in cells if cell.logloss is not None]
    values = aucs or losses
    return fmean(values) if values else None


def _copy(module: Stateful) -> Weights:
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
