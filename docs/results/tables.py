"""Prints the Markdown tables of a results page from a stored study: `python docs/results/tables.py kuairand`."""

import sys
from collections.abc import Callable, Sequence
from statistics import fmean, stdev

import hinet_search
from hinet_search.objective import macro_auc, weighted_auc
from hinet_search.records import CellValue, FinalistRecord, FinalistRun, StudyRecord

Metric = Callable[[Sequence[CellValue]], float]


def number(value: float) -> str:
    """`.7123`."""
    return f"{value:.4f}".removeprefix("0")


def spread(values: list[float]) -> str:
    """Mean and standard deviation over seeds."""
    return f"{number(fmean(values))} ± {number(stdev(values))}" if len(values) > 1 else number(values[0])


def over_seeds(runs: Sequence[FinalistRun], split: str, metric: Metric) -> str:
    """A metric of a split over the seeds; empty when the split was not opened."""
    found = [cells for run in runs if (cells := getattr(run, f"{split}_cells")) is not None]
    return spread([metric(cells) for cells in found]) if found else ""


def finalist_row(name: str, finalist: FinalistRecord) -> str:
    """One line of the table of arms."""
    runs = finalist.runs
    scores = [over_seeds(runs, split, metric) for split in ("valid", "test") for metric in (macro_auc, weighted_auc)]
    size = f"{runs[0].cost.parameters:,} ({runs[0].cost.dense_parameters:,})"
    seconds = f"{fmean(run.cost.seconds for run in runs):.0f}"
    return "| " + " | ".join([name, *scores, size, seconds]) + " |"


def arms_table(record: StudyRecord) -> list[str]:
    """The chosen finalist and the default of every arm."""
    head = "| arm | valid macro | valid weighted | test macro | test weighted | parameters (dense) | seconds a run |"
    lines = [head, "|---|---|---|---|---|---|---|"]
    for arm in record.arms:
        chosen = next(finalist for finalist in arm.finalists if finalist.chosen)
        default = next((finalist for finalist in arm.finalists if finalist.is_default), None)
        lines.append(finalist_row(f"{arm.name} (trial {chosen.trial_number})", chosen))
        if default is not None and default is not chosen:
            lines.append(finalist_row(f"{arm.name}, default", default))
    return lines


def cells_table(record: StudyRecord) -> list[str]:
    """Test AUC of the chosen finalists per cell, and what is reachable where the truth is known."""
    names = [arm.name for arm in record.arms]
    lines = [f"| cell | {' | '.join(names)} | reachable |", "|---" * (len(names) + 2) + "|"]
    for cell in record.data.cells:
        values = []
        for arm in record.arms:
            runs = next(finalist for finalist in arm.finalists if finalist.chosen).runs
            of_cell = [
                c for run in runs for c in run.test_cells or () if (c.scenario, c.task) == (cell.scenario, cell.task)
            ]
            values.append(spread([c.auc for c in of_cell if c.auc is not None]))
        reachable = "" if cell.reachable_auc is None else number(cell.reachable_auc)
        lines.append(f"| {cell.scenario} · {cell.task} | {' | '.join(values)} | {reachable} |")
    return lines


if __name__ == "__main__":
    stored = hinet_search.load(sys.argv[1])
    if any(not any(finalist.chosen for finalist in arm.finalists) for arm in stored.arms):
        sys.exit(f"{stored.name} has no chosen finalists yet: it is {stored.state}")
    print("\n".join([*arms_table(stored), "", *cells_table(stored)]))
