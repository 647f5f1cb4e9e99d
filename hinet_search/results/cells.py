"""Cells: the pairs of a scenario and a task that the data have, in the order of all results.

A task may be absent in some scenarios: rows there have no label of it, and there is no such cell.
Shape legend: M scenarios, T tasks.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from hinet_search.results.records import DataRecord

CellName = tuple[str, str]  # (scenario, task)


@dataclass(frozen=True)
class Cell:
    """A (scenario, task) by name, and the numbers by which arrays have it."""

    scenario: str
    task: str
    scenario_number: int
    task_number: int

    @property
    def name(self) -> CellName:
        """(scenario, task)."""
        return self.scenario, self.task


def make_cells(
    scenarios: Sequence[str], tasks: Sequence[str], absent: Collection[CellName] = ()
) -> tuple[Cell, ...]:
    """Return all cells but the absent ones, with scenarios in the outer loop."""
    return tuple(
        Cell(scenario, task, scenario_number, task_number)
        for scenario_number, scenario in enumerate(scenarios)
        for task_number, task in enumerate(tasks)
        if (scenario, task) not in absent
    )


def has_task(
    scenarios: Sequence[str], tasks: Sequence[str], absent: Collection[CellName]
) -> NDArray[np.bool_]:
    """Return whether a scenario has a task (M, T)."""
    return np.array([[(scenario, task) not in absent for task in tasks] for scenario in scenarios])


def absent_cells(data: DataRecord) -> tuple[CellName, ...]:
    """Return the (scenario, task) that have no labels: those that the data do not count."""
    counted = {(cell.scenario, cell.task) for cell in data.cells}
    return tuple(name for name in product(data.scenarios, data.tasks) if name not in counted)
