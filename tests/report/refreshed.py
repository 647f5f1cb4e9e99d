"""The small study with label statistics that are counted anew every day, which its models need."""

from dataclasses import replace

from hinet_search.results.records import ArmRecord, CellValue, FinalistRecord
from hinet_search.results.study_record import StudyRecord
from tests.report.studies import small

LOST = 0.02  # AUC of every cell without


def refreshed() -> StudyRecord:
    """Every seed loses LOST in every cell if its statistics are frozen."""
    record = small()
    freshness = "label statistics are counted anew every day, labels are known 1d after their row"
    return replace(
        record,
        data=replace(record.data, freshness=freshness),
        arms=tuple(_arm(arm) for arm in record.arms),
    )


def _arm(arm: ArmRecord) -> ArmRecord:
    return replace(arm, finalists=tuple(_finalist(finalist) for finalist in arm.finalists))


def _finalist(finalist: FinalistRecord) -> FinalistRecord:
    if finalist.summary is None:
        return finalist
    cells_of = {run.seed: run.test_cells or () for run in finalist.runs}
    frozen = tuple(tuple(map(_worse, cells_of[seed])) for seed in finalist.summary.seeds)
    return replace(finalist, summary=replace(finalist.summary, frozen_test_cells=frozen))


def _worse(cell: CellValue) -> CellValue:
    return cell if cell.auc is None else replace(cell, auc=cell.auc - LOST)
