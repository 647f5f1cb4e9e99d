"""Best: the weights that did best on validation are kept while training goes on, and restored at its end.

`evaluation` is the number of the evaluation that changed what is kept last, 0 before the first; `cells` are its values.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from torch import Tensor, nn

from hinet_search.nn.contracts import IndependentCells
from hinet_search.objective import Objective
from hinet_search.records import CellValue

Weights = dict[str, Tensor]


@dataclass
class BestModel:
    """The weights of one evaluation: the best by the objective, the earlier one when two are equal."""

    model: nn.Module
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
class BestCells:
    """Each cell's own best weights, by its AUC or, where it has none, its log loss; the latest ones without any row.

    Cells share no parameter, so the model composed of them has exactly the cells' best values.
    """

    modules: tuple[nn.Module, ...]  # scenario by scenario, as cells are
    evaluation: int = 0
    cells: tuple[CellValue, ...] = ()
    weights: list[Weights] = field(default_factory=list)

    def offer(self, evaluation: int, cells: tuple[CellValue, ...]) -> tuple[CellValue, ...]:
        """Keeps the present weights of the cells that became better. Counts by the cells of the composed model."""
        if not self.weights:
            self.evaluation, self.cells, self.weights = evaluation, cells, [_copy(module) for module in self.modules]
        for index in self._improved(cells):
            self.evaluation = evaluation
            self.cells = (*self.cells[:index], cells[index], *self.cells[index + 1 :])
            self.weights[index] = _copy(self.modules[index])
        return self.cells

    def restore(self) -> None:
        """Put every cell's kept weights back; the model stays as it is when none were offered."""
        if self.weights:
            for module, weights in zip(self.modules, self.weights, strict=True):
                module.load_state_dict(weights)

    def _improved(self, cells: tuple[CellValue, ...]) -> Iterator[int]:
        pairs = zip(cells, self.cells, strict=True)
        return (index for index, (new, old) in enumerate(pairs) if new.rows == 0 or _rank(new) > _rank(old))


Best = BestModel | BestCells


def keep_best(model: nn.Module, objective: Objective) -> Best:
    """The best weights as a whole; of a model with IndependentCells, the best weights of each cell."""
    if isinstance(model, IndependentCells):
        return BestCells(tuple(module for row in model.cell_modules() for module in row))
    return BestModel(model, objective)


def _rank(cell: CellValue) -> float:
    """Whether a cell has an AUC depends on the labels alone, so its ranks are all of one kind."""
    if cell.auc is not None:
        return cell.auc
    assert cell.logloss is not None, "a cell with rows has a log loss"
    return -cell.logloss


def _copy(module: nn.Module) -> Weights:
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
