"""Best: the weights that did best on validation are kept while training goes on, and restored at its end.

`evaluation` is the number of the evaluation that changed what is kept last, 0 before the first; `cells` are its values.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from hinet_search.nn.contracts import IndependentParts, Part
from hinet_search.objective import Objective
from hinet_search.records import CellValue

Weights = dict[str, Tensor]


@runtime_checkable
class HasWeights(Protocol):
    """What every torch module has, and a model that is none offers too."""

    def state_dict(self) -> dict[str, Any]:
        """Tensors by name."""

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> object:
        """Puts them back."""


@dataclass
class BestModel:
    """The weights of one evaluation: the best by the objective, the earlier one when two are equal."""

    model: HasWeights
    objective: Objective
    evaluation: int = 0
    cells: tuple[CellValue, ...] = ()
    weights: Weights = field(default_factory=dict)

    def offer(self, evaluation: int, cells: tuple[CellValue, ...]) -> tuple[CellValue, ...]:
        """Keeps the present weights if they are better. The evaluation counts as it is."""
        if not self.weights or self.objective.better(self.objective(cells), self.objective(self.cells)):
            self.evaluation, self.cells, self.weights = evaluation, cells, _copy(self.model)
        return cells

    def restore(self) -> None:
        """Put the kept weights back; the model stays as it is when none were offered."""
        if self.weights:
            self.model.load_state_dict(self.weights)


@dataclass
class BestParts:
    """Each part's own best weights: those that make the composed model better by the objective.

    Parts share no parameter, so the composed model has exactly the parts' values. Where a part does not move the
    objective, which may be of one cell, its rank decides; without validation rows it keeps its latest weights.
    """

    parts: tuple[Part, ...]
    objective: Objective
    evaluation: int = 0
    cells: tuple[CellValue, ...] = ()
    weights: list[Weights] = field(default_factory=list)

    def offer(self, evaluation: int, cells: tuple[CellValue, ...]) -> tuple[CellValue, ...]:
        """Keeps the present weights of the parts that became better. Counts by the cells of the composed model."""
        if not self.weights:
            self.evaluation, self.cells = evaluation, cells
            self.weights = [_copy(part.module) for part in self.parts]
        for number, part in enumerate(self.parts):
            composed = tuple((cells if cell in part.cells else self.cells)[cell] for cell in range(len(cells)))
            if self._improved(part, composed):
                self.evaluation, self.cells = evaluation, composed
                self.weights[number] = _copy(part.module)
        return self.cells

    def _improved(self, part: Part, composed: tuple[CellValue, ...]) -> bool:
        now, kept = self.objective(composed), self.objective(self.cells)
        if now != kept:
            return self.objective.better(now, kept)
        new, old = (_rank([cells[cell] for cell in part.cells]) for cells in (composed, self.cells))
        return new is None or old is None or new > old

    def restore(self) -> None:
        """Put every part's kept weights back; the model stays as it is when none were offered."""
        if self.weights:
            for part, weights in zip(self.parts, self.weights, strict=True):
                part.module.load_state_dict(weights)


Best = BestModel | BestParts


def keep_best(model: nn.Module, objective: Objective) -> Best:
    """The best weights as a whole; of a model with IndependentParts, the best weights of each part."""
    if isinstance(model, IndependentParts):
        return BestParts(model.independent_parts(), objective)
    return BestModel(model, objective)


def _rank(cells: Sequence[CellValue]) -> float | None:
    """Mean AUC of the cells that have one; without any, minus the mean log loss; None without any row.

    Which cells have an AUC depends on the labels alone, so the ranks of a part are all of one kind.
    """
    aucs = [cell.auc for cell in cells if cell.auc is not None]
    losses = [-cell.logloss for cell in cells if cell.logloss is not None]
    found = aucs or losses
    return fmean(found) if found else None


def _copy(module: HasWeights) -> Weights:
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
