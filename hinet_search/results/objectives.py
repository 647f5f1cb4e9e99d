"""Objectives: the one number by which the trials of a study are compared.

`macro_auc` is the plain mean over cells, `weighted_auc` the mean weighted by rows. `mean_auc`
(default) is the mean of the two: on KuaiRand it follows test quality better than macro AUC, whose
small cells are noisy. A metric (results/metrics) says whether its own name is an objective, a mean
over cells, and whether `NAME[SCENARIO/TASK]` is one of a single cell. In means over cells, a cell
of amounts counts with its AUC (statistics/ordered_pairs.py) like any other.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hinet_search.common.errors import ConfigurationError, did_you_mean
from hinet_search.results.cells import CellName
from hinet_search.results.metrics import Metric, every_metric, find_metric, metric_named
from hinet_search.results.records import CellValue

DEFAULT = "mean_auc"
WORST = "worst_auc"
WITHIN_GROUPS = "rank_auc"  # measured where the data have `rank`
BETWEEN_GROUPS = "between_auc"  # the same, on test
_CELL = re.compile(r"([^\[]+)\[(.+)/([^/]+)\]")

Average = Callable[[Sequence[float], Sequence[float]], float]  # of values and rows of cells


def _plain_mean(values: Sequence[float], rows: Sequence[float]) -> float:  # noqa: ARG001
    """Plain mean over cells."""
    return sum(values) / len(values)


def _mean_by_rows(values: Sequence[float], rows: Sequence[float]) -> float:
    """Mean over cells, weighted by rows."""
    total = sum(value * weight for value, weight in zip(values, rows, strict=True))
    return total / sum(rows)


def _mean_of_both(values: Sequence[float], rows: Sequence[float]) -> float:
    """Mean of the plain mean over cells and the mean weighted by rows."""
    return (_plain_mean(values, rows) + _mean_by_rows(values, rows)) / 2


def _worst(values: Sequence[float], rows: Sequence[float]) -> float:  # noqa: ARG001
    """Value of the worst cell."""
    return min(values)


_OF_AUC: dict[str, Average] = {
    DEFAULT: _mean_of_both,
    "macro_auc": _plain_mean,
    "weighted_auc": _mean_by_rows,
    WORST: _worst,
}
_MEANS: dict[str, Average] = {"by rows": _mean_by_rows, "plain": _plain_mean}


def names() -> tuple[str, ...]:
    """Return the names of the objectives over all cells."""
    own = (name for name, metric in every_metric().items() if metric.mean is not None)
    return (*_OF_AUC, *own)


def cell_names() -> tuple[str, ...]:
    """Return the forms of the objectives of one cell: `auc[SCENARIO/TASK]`."""
    own = (name for name, metric in every_metric().items() if metric.is_of_cell)
    return tuple(f"{name}[SCENARIO/TASK]" for name in own)


def metric_of(name: str) -> str:
    """Return the metric that an objective reads in every cell.

    `logloss[home/click]` reads logloss, `macro_auc` reads auc.
    """
    metric = name.split("[", maxsplit=1)[0]
    return "auc" if metric in _OF_AUC else metric


def further_metrics(objectives: Sequence[str]) -> tuple[str, ...]:
    """Return the metrics that these objectives read beside those that are always measured.

    Costs among the objectives read none.
    """
    read = dict.fromkeys(metric_of(name) for name in objectives)
    found = {name: find_metric(name) for name in read}
    return tuple(name for name, metric in found.items() if metric and not metric.always)


@dataclass(frozen=True)
class Objective:
    """A named objective; call it with cells to get its value."""

    name: str

    @property
    def metric(self) -> Metric:
        """The metric that it reads in every cell."""
        return metric_named(metric_of(self.name))

    @property
    def maximize(self) -> bool:
        """Whether larger is better."""
        return self.metric.maximize

    @property
    def sign(self) -> int:
        """1 if larger is better, else -1."""
        return 1 if self.maximize else -1

    @property
    def is_of_one_of_all(self) -> bool:
        """Whether the value is of one cell, chosen by the values themselves."""
        return self.name == WORST

    def __call__(self, cells: Sequence[CellValue]) -> float:
        """Compute the value; ConfigurationError if no cell has one."""
        metric = metric_of(self.name)
        names = [(cell.scenario, cell.task) for cell in cells]
        values = [cell.value(metric) for cell in cells]
        value = self.value(names, [cell.rows for cell in cells], values)
        if value is not None:
            return value
        if self.cell is not None and self.cell not in names:
            raise ConfigurationError(
                f"objective {self.name}: there is no cell {'/'.join(self.cell)}"
            )
        raise ConfigurationError(
            f"{self.name} has no value: no cell of the split has labels that differ"
        )

    def value(
        self, cells: Sequence[CellName], rows: Sequence[float], values: Sequence[float | None]
    ) -> float | None:
        """Compute the value from the metric of every cell, None where it has none.

        It is None if no cell that the objective reads has one.
        """
        named = self.cell
        known = [
            (value, weight)
            for cell, weight, value in zip(cells, rows, values, strict=True)
            if value is not None and named in (None, cell)
        ]
        if not known:
            return None
        return self.average([value for value, _ in known], [weight for _, weight in known])

    def better(self, left: float, right: float) -> bool:
        """Whether `left` is better than `right`."""
        return left > right if self.maximize else left < right

    def margin_at(self, margin: float, value: float) -> float:
        """Return a margin in units of the objective: of an error of amounts, that share of `value`.

        Such errors have the unit of their column, so no fixed difference suits them all.
        """
        return margin * abs(value) if self.metric.in_units else margin

    @property
    def cell(self) -> CellName | None:
        """(scenario, task) if the objective names one cell, else None."""
        match = _CELL.fullmatch(self.name)
        return None if match is None else (match[2], match[3])

    @property
    def average(self) -> Average:
        """How the values of cells become one value; the value of a single cell stays as it is."""
        if self.name in _OF_AUC:
            return _OF_AUC[self.name]
        return _MEANS[self.metric.mean or "plain"]


def objective_named(name: str) -> Objective:
    """Return the objective of that name; ConfigurationError lists the known ones."""
    if not is_objective(name):
        known = ", ".join([*names(), *cell_names()])
        raise ConfigurationError(
            f"objective '{name}' is not known, must be one of {known}{did_you_mean(name, names())}"
        )
    return Objective(name)


def is_objective(name: str) -> bool:
    """Whether an objective has this name."""
    match = _CELL.fullmatch(name)
    if match is not None:
        metric = find_metric(match[1])
        return metric is not None and metric.is_of_cell
    metric = find_metric(name)
    return name in _OF_AUC or (metric is not None and metric.mean is not None)
