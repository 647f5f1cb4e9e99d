"""Cells: the pairs of a scenario and a task that the data have, in the order of all results.

A task may be absent in some scenarios: rows there have no label of it, and there is no such cell.
Shape legend: M scenarios, T tasks.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hinet_search.results.data_record import DataRecord
from hinet_search.results.families import BERNOULLI, POISSON, Family

if TYPE_CHECKING:
    Labels = NDArray[np.uint8 | np.float32]  # float32 if some task has amounts
else:
    Labels = np.ndarray  # types checked at run time know no unions of dtypes

CellName = tuple[str, str]  # (scenario, task)


@dataclass(frozen=True)
class Cell:
    """A (scenario, task) by name, and the numbers by which arrays have it.

    `unit` is the amount that a label of 1 stands for; None if labels are 0 and 1.
    """

    scenario: str
    task: str
    scenario_number: int
    task_number: int
    unit: float | None = None

    @property
    def name(self) -> CellName:
        """(scenario, task)."""
        return self.scenario, self.task

    def labels(self, labels_RT: Labels, rows: NDArray[np.int64]) -> Labels:
        """The labels of rows of the cell: 0 and 1 as uint8, amounts as float32."""
        return of_kind(labels_RT[rows, self.task_number], is_amount=self.unit is not None)

    @property
    def family(self) -> Family:
        """How scores of the cell become expected labels."""
        return BERNOULLI if self.unit is None else POISSON


def make_cells(
    scenarios: Sequence[str],
    tasks: Sequence[str],
    absent: Collection[CellName] = (),
    units: Mapping[str, float] = MappingProxyType({}),
) -> tuple[Cell, ...]:
    """Return all cells but the absent ones, with scenarios in the outer loop.

    `units` has the unit of every task of amounts.
    """
    return tuple(
        Cell(scenario, task, scenario_number, task_number, units.get(task))
        for scenario_number, scenario in enumerate(scenarios)
        for task_number, task in enumerate(tasks)
        if (scenario, task) not in absent
    )


def rows_of_task(
    cell: Cell, cells: Sequence[Cell], scenario_R: NDArray[np.int16]
) -> NDArray[np.int64]:
    """Return the rows of a cell's task in all scenarios that have it."""
    numbers = [other.scenario_number for other in cells if other.task_number == cell.task_number]
    return np.flatnonzero(np.isin(scenario_R, numbers))


def of_kind(labels: Labels, *, is_amount: bool) -> Labels:
    """Return amounts as they are, and 0 and 1 as uint8, also from beside amounts."""
    return labels if is_amount else labels.astype(np.uint8, copy=False)


def amount_tasks(tasks: Sequence[str], units: Collection[str]) -> NDArray[np.bool_]:
    """Return whether the labels of a task are amounts (T,); `units` are of all that have them."""
    return np.array([task in units for task in tasks])


def has_task(
    scenarios: Sequence[str], tasks: Sequence[str], absent: Collection[CellName]
) -> NDArray[np.bool_]:
    """Return whether a scenario has a task (M, T)."""
    return np.array([[(scenario, task) not in absent for task in tasks] for scenario in scenarios])


def absent_cells(data: DataRecord) -> tuple[CellName, ...]:
    """Return the (scenario, task) that have no labels: those that the data do not count."""
    counted = {(cell.scenario, cell.task) for cell in data.cells}
    return tuple(name for name in product(data.scenarios, data.tasks) if name not in counted)
