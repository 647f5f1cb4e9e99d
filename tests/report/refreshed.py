"""The small study with fresh statistics and a log, and what its models have with older ones."""

from dataclasses import replace

from hinet_search.results.data_record import FROZEN, LATER
from hinet_search.results.records import CellValue, FinalistRecord, StaleTest
from hinet_search.results.study_record import StudyRecord
from tests.report.edits import each_finalist
from tests.report.studies import small

LOST = 0.02  # AUC of every cell with inputs of the end of validation
LOST_LATER = 0.005  # with labels known an hour later
FRESHNESS = (
    "label statistics are counted anew every day, labels are known 1d after their row; "
    "the log goes up to each row, and labels are known at once"
)


def refreshed(
    record: StudyRecord | None = None, lost: float = LOST, lost_later: float = LOST_LATER
) -> StudyRecord:
    """Every seed loses as much in every cell, and so does every resampling."""
    record = record or small()
    losses = {FROZEN: lost, LATER: lost_later}
    return replace(
        record,
        data=replace(record.data, freshness=FRESHNESS, later_labels="1h"),
        arms=tuple(each_finalist(arm, lambda each: _finalist(each, losses)) for arm in record.arms),
    )


def _finalist(finalist: FinalistRecord, losses: dict[str, float]) -> FinalistRecord:
    summary = finalist.summary
    if summary is None:
        return finalist
    cells_of = {run.seed: run.test_cells or () for run in finalist.runs}
    stale = {}
    for access, lost in losses.items():
        drawn = tuple(value - lost for value in summary.resampled.headline)
        cells = tuple(
            tuple(_worse(cell, lost) for cell in cells_of[seed]) for seed in summary.seeds
        )
        stale[access] = StaleTest(cells, replace(summary.resampled, headline=drawn))
    return replace(finalist, summary=replace(summary, stale=stale))


def _worse(cell: CellValue, lost: float) -> CellValue:
    return cell if cell.auc is None else replace(cell, auc=cell.auc - lost)
