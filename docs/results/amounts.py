"""Amounts: how well every arm of a stored study predicts amounts, as tables.

`docs/results/amounts.py STUDY --variant NAME --output FOLDER`: the chosen finalist of every arm,
with means over its seeds and over the cells of amounts, weighted by rows. RMSE and MAE are in the
unit of the column. A second table compares the arms on test by the headline of the study.
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean

from markdown_tables import spread, table
from tables import contrasts_table

import hinet_search
from hinet_search.results.records import ArmRecord, CellValue, FinalistRun
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

HEAD = (
    "arm",
    "valid AUC",
    "test AUC",
    "test RMSE",
    "test MAE",
    "expected per actual",
    "FLOPs a row",
)
MEASURES: dict[str, Callable[[CellValue], float | None]] = {
    "AUC": lambda cell: cell.auc,
    "RMSE": lambda cell: cell.rmse,
    "MAE": lambda cell: cell.mae,
    "calibration": lambda cell: cell.calibration,
}


def rows(record: StudyRecord) -> Iterator[list[str]]:
    """Yield a line for every arm that was opened on test."""
    for arm in record.arms:
        runs = _runs(arm)
        if runs[0].test_cells is None:
            continue
        auc, rmse, mae, calibration = (
            [_mean(record, run, "test", name) for run in runs] for name in MEASURES
        )
        yield [
            title(arm.name),
            spread([_mean(record, run, "valid", "AUC") for run in runs]),
            spread(auc),
            f"{fmean(rmse):,.0f}",
            f"{fmean(mae):,.0f}",
            f"{fmean(calibration):.3f}",
            f"{runs[0].cost.flops_per_row:,}" if runs[0].cost.flops_per_row else "–",
        ]


def _runs(arm: ArmRecord) -> tuple[FinalistRun, ...]:
    return next(finalist for finalist in arm.finalists if finalist.chosen).runs


def _mean(record: StudyRecord, run: FinalistRun, split: str, name: str) -> float:
    """The mean of a measure over the cells of amounts, weighted by rows."""
    cells = run.valid_cells if split == "valid" else run.test_cells or ()
    pairs = [
        (value, cell.rows)
        for cell in cells
        if cell.task in record.data.units and (value := MEASURES[name](cell)) is not None
    ]
    return sum(value * count for value, count in pairs) / sum(count for _, count in pairs)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study")
    parser.add_argument("--variant")
    parser.add_argument("--size")
    parser.add_argument("--output", type=Path, help="the folder of the launch")
    options = parser.parse_args()
    record = hinet_search.load(
        options.study, variant=options.variant, size=options.size, output=options.output
    )
    print("\n".join(table(HEAD, list(rows(record)))))
    print()
    print("\n".join(contrasts_table(record)))


if __name__ == "__main__":
    main()
