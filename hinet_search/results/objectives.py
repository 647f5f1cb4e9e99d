"""Objectives: the one number by which the trials of a study are compared.

`macro_auc` is the plain mean over cells, `weighted_auc` the mean weighted by rows. `mean_auc`
(default) is the mean of the two: on KuaiRand it follows test quality better than macro AUC, whose
small cells are noisy. `auc[SCENARIO/TASK]` and `logloss[SCENARIO/TASK]` name one cell,
`rmse[SCENARIO/TASK]` and `mae[SCENARIO/TASK]` one of amounts. In means over cells, a cell of
amounts counts with its AUC (statistics/amount_auc.py) like any other.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hinet_search.common.errors import ConfigurationError, did_you_mean
from hinet_search.results.records import CellValue

DEFAULT = "mean_auc"


def _defined(values: Sequence[float | None], metric: str) -> list[float]:
    """Return the values that are not None; ConfigurationError if there are none."""
    defined = [value for value in values if value is not None]
    if not defined:
        raise ConfigurationError(
            f"{metric} has no value: no cell of the split has labels that differ"
        )
    return defined


def macro_auc(cells: Sequence[CellValue]) -> float:
    """Mean AUC over the cells that have one."""
    values = _defined([cell.auc for cell in cells], "macro_auc")
    return sum(values) / len(values)


def weighted_auc(cells: Sequence[CellValue]) -> float:
    """Mean AUC weighted by the rows of each cell."""
    _defined([cell.auc for cell in cells], "weighted_auc")
    pairs = [(cell.auc, cell.rows) for cell in cells if cell.auc is not None]
    return sum(auc * rows for auc, rows in pairs) / sum(rows for _, rows in pairs)


def mean_auc(cells: Sequence[CellValue]) -> float:
    """Mean of macro and row-weighted AUC."""
    return (macro_auc(cells) + weighted_auc(cells)) / 2


def worst_auc(cells: Sequence[CellValue]) -> float:
    """AUC of the worst cell."""
    return min(_defined([cell.auc for cell in cells], "worst_auc"))


def logloss(cells: Sequence[CellValue]) -> float:
    """Mean log loss over cells, weighted by rows."""
    _defined([cell.logloss for cell in cells], "logloss")
    pairs = [(cell.logloss, cell.rows) for cell in cells if cell.logloss is not None]
    return sum(loss * rows for loss, rows in pairs) / sum(rows for _, rows in pairs)


def gauc(cells: Sequence[CellValue]) -> float:
    """User-grouped AUC, mean over cells weighted by rows: few rows come from few users."""
    _defined([cell.gauc for cell in cells], "gauc")
    pairs = [(cell.gauc, cell.rows) for cell in cells if cell.gauc is not None]
    return sum(value * rows for value, rows in pairs) / sum(rows for _, rows in pairs)


def ece(cells: Sequence[CellValue]) -> float:
    """Mean expected calibration error over cells."""
    values = _defined([cell.ece for cell in cells], "ece")
    return sum(values) / len(values)


_METRICS: dict[str, Callable[[Sequence[CellValue]], float]] = {
    function.__name__: function
    for function in (mean_auc, macro_auc, weighted_auc, worst_auc, gauc, logloss, ece)
}
_OF_CELL: dict[str, Callable[[CellValue], float | None]] = {
    "auc": lambda cell: cell.auc,
    "logloss": lambda cell: cell.logloss,
    "rmse": lambda cell: cell.rmse,
    "mae": lambda cell: cell.mae,
}
_CELL = re.compile(rf"({'|'.join(_OF_CELL)})\[(.+)/([^/]+)\]")
_MINIMIZED = ("logloss", "ece", "rmse", "mae")
OF_AMOUNTS = ("rmse", "mae")  # errors in the unit of the column, which only amounts have
NAMES = tuple(_METRICS)
CELL_NAMES = tuple(f"{metric}[SCENARIO/TASK]" for metric in _OF_CELL)


@dataclass(frozen=True)
class Objective:
    """A named objective; call it with cells to get its value."""

    name: str

    @property
    def metric(self) -> str:
        """The name without its cell: `logloss` of `logloss[home/click]`."""
        return self.name.split("[", maxsplit=1)[0]

    @property
    def maximize(self) -> bool:
        """Whether larger is better."""
        return self.metric not in _MINIMIZED

    @property
    def is_root(self) -> bool:
        """Whether the value is the square root of a mean over rows."""
        return self.metric == "rmse"

    @property
    def is_of_one_of_all(self) -> bool:
        """Whether the value is that of one cell, which the values themselves choose."""
        return self.metric == "worst_auc"

    def __call__(self, cells: Sequence[CellValue]) -> float:
        """Compute the value; ConfigurationError if no cell has one."""
        if self.name in _METRICS:
            return _METRICS[self.name](cells)
        metric, scenario, task = self._cell()
        for cell in cells:
            if (cell.scenario, cell.task) == (scenario, task):
                return _defined([_OF_CELL[metric](cell)], self.name)[0]
        raise ConfigurationError(f"objective {self.name}: there is no cell {scenario}/{task}")

    def better(self, left: float, right: float) -> bool:
        """Whether `left` is better than `right`."""
        return left > right if self.maximize else left < right

    def margin_at(self, margin: float, value: float) -> float:
        """Return a margin in units of the objective: of an error of amounts, that share of `value`.

        Such errors have the unit of their column, so no fixed difference suits them all.
        """
        return margin * abs(value) if self.metric in OF_AMOUNTS else margin

    def _cell(self) -> tuple[str, str, str]:
        match = _CELL.fullmatch(self.name)
        assert match is not None, "names are checked at the door"
        return match[1], match[2], match[3]

    @property
    def cell(self) -> tuple[str, str] | None:
        """(scenario, task) if the objective names one cell, else None."""
        return None if self.name in _METRICS else self._cell()[1:]


def objective_named(name: str) -> Objective:
    """Return the objective of that name; ConfigurationError lists the known ones."""
    if name not in _METRICS and not _CELL.fullmatch(name):
        known = ", ".join([*_METRICS, *CELL_NAMES])
        raise ConfigurationError(
            f"objective '{name}' is not known, must be one of {known}{did_you_mean(name, _METRICS)}"
        )
    return Objective(name)
