"""Frames: a study's record as tidy Polars tables, one row a trial, an evaluation, or a cell of a finalist."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import polars as pl

from hinet_search.records import ArmRecord, Cost, EvaluationRecord, FinalistRecord, FinalistRun, StudyRecord

_COST = {
    "parameters": pl.Int64, "dense_parameters": pl.Int64, "flops_per_row": pl.Int64, "rows_per_second": pl.Float64,
    "seconds": pl.Float64, "peak_memory_bytes": pl.Int64, "device": pl.String,
}  # fmt: skip
_TRIAL: dict[str, Any] = {
    "arm": pl.String, "model": pl.String, "trial": pl.Int64, "state": pl.String, "value": pl.Float64,
    "is_default": pl.Boolean, "counts": pl.Boolean, "cause": pl.String, "attempt": pl.Int64, "started": pl.Datetime("us", "UTC"),
    "finished": pl.Datetime("us", "UTC"), **_COST,
}  # fmt: skip
_EVALUATION = {
    "arm": pl.String, "trial": pl.Int64, "seed": pl.Int64, "step": pl.Int64, "passes": pl.Float64,
    "objective": pl.Float64, "train_loss": pl.Float64, "seconds": pl.Float64,
}  # fmt: skip
_FINALIST = {
    "arm": pl.String, "trial": pl.Int64, "is_default": pl.Boolean, "chosen": pl.Boolean, "seed": pl.Int64,
    "split": pl.String, "scenario": pl.String, "task": pl.String, "rows": pl.Int64, "positives": pl.Int64,
    "auc": pl.Float64, "logloss": pl.Float64, "gauc": pl.Float64, "calibration": pl.Float64, "ece": pl.Float64,
    "reason": pl.String,
}  # fmt: skip


def trials(record: StudyRecord) -> pl.DataFrame:
    """A row per trial: how it ended, what it cost, and every setting that any arm searches in a column of its name.

    A setting that the trial's arm does not draw is null.
    """
    pairs = [(arm, trial) for arm in record.arms for trial in arm.trials]
    rows = [
        {
            "arm": arm.name, "model": arm.model, "trial": trial.number, **_costs(trial.cost), "counts": trial.counts,
            **{name: getattr(trial, name) for name in ("state", "value", "is_default", "cause", "attempt")},
            **{name: _moment(getattr(trial, name)) for name in ("started", "finished")},
        }
        for arm, trial in pairs
    ]  # fmt: skip
    names = dict.fromkeys(one.name for arm in record.arms for one in arm.ranges)
    settings = [_setting(name, [trial.parameters.get(name) for _, trial in pairs]) for name in names]
    return pl.DataFrame(rows, schema=_TRIAL).hstack(settings)


def evaluations(record: StudyRecord) -> pl.DataFrame:
    """A row per evaluation on validation; `seed` is null for trials and that of the run for finalists."""
    return pl.DataFrame(list(_evaluation_rows(record.arms)), schema=_EVALUATION)


def finalists(record: StudyRecord) -> pl.DataFrame:
    """A row per finalist, seed, split and cell; rows of test are there for finalists that were opened."""
    rows = [
        {"arm": arm.name, "trial": finalist.trial_number, "is_default": finalist.is_default, "chosen": finalist.chosen,
         "seed": run.seed, "split": split, **asdict(cell)}
        for arm, finalist, run in _runs(record.arms)
        for split, cells in (("valid", run.valid_cells), ("test", run.test_cells or ()))
        for cell in cells
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=_FINALIST)


def _runs(arms: Sequence[ArmRecord]) -> Iterator[tuple[ArmRecord, FinalistRecord, FinalistRun]]:
    for arm in arms:
        for finalist in arm.finalists:
            yield from ((arm, finalist, run) for run in finalist.runs)


def _evaluation_rows(arms: Sequence[ArmRecord]) -> Iterator[Mapping[str, Any]]:
    for arm in arms:
        for trial in arm.trials:
            yield from _of(trial.evaluations, arm=arm.name, trial=trial.number, seed=None)
    for arm, finalist, run in _runs(arms):
        yield from _of(run.evaluations, arm=arm.name, trial=finalist.trial_number, seed=run.seed)


def _of(evaluations: Iterable[EvaluationRecord], **whose: Any) -> Iterator[Mapping[str, Any]]:
    for one in evaluations:
        numbers = {name: getattr(one, name) for name in ("step", "passes", "objective", "train_loss", "seconds")}
        yield {**whose, **numbers}


def _costs(cost: Cost | None) -> Mapping[str, Any]:
    return dict.fromkeys(_COST) if cost is None else asdict(cost)


def _moment(text: str) -> datetime | None:
    """A moment as it is stored; None where it has not come."""
    return datetime.fromisoformat(text) if text else None


def _setting(name: str, values: Sequence[Any]) -> pl.Series:
    """Values of one setting in all arms: as they are where they are of one kind, else as text."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float} and len(kinds) == 2:
        return pl.Series(name, values, dtype=pl.Float64, strict=False)
    if len(kinds) > 1:
        return pl.Series(name, [None if value is None else str(value) for value in values], dtype=pl.String)
    return pl.Series(name, values, dtype=None if kinds else pl.String)
