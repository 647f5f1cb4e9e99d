"""Frames: the arms of a study as tidy Polars tables of trials, evaluations and finalists."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from types import MappingProxyType
from typing import Any

import polars as pl

from hinet_search.results.ensemble_records import EnsembleRecord
from hinet_search.results.metrics import always_measured
from hinet_search.results.records import (
    ArmRecord,
    CellValue,
    EvaluationRecord,
    FinalistRecord,
    FinalistRun,
    TrialRecord,
)

_COST = {
    "parameters": pl.Int64,
    "dense_parameters": pl.Int64,
    "flops_per_row": pl.Int64,
    "rows_per_second": pl.Float64,
    "seconds": pl.Float64,
    "peak_memory_bytes": pl.Int64,
    "device": pl.String,
}
_TRIAL: dict[str, Any] = {
    "arm": pl.String,
    "model": pl.String,
    "trial": pl.Int64,
    "state": pl.String,
    "value": pl.Float64,
    "is_default": pl.Boolean,
    "origin": pl.String,
    "counts": pl.Boolean,
    "cause": pl.String,
    "attempt": pl.Int64,
    "started": pl.Datetime("us", "UTC"),
    "finished": pl.Datetime("us", "UTC"),
    **_COST,
}
_EVALUATION = {
    "arm": pl.String,
    "trial": pl.Int64,
    "seed": pl.Int64,
    "step": pl.Int64,
    "epochs": pl.Float64,
    "objective": pl.Float64,
    "train_loss": pl.Float64,
    "seconds": pl.Float64,
}
_FINALIST = {
    "arm": pl.String,
    "trial": pl.Int64,
    "is_default": pl.Boolean,
    "chosen": pl.Boolean,
    "seed": pl.Int64,
    "split": pl.String,
    "scenario": pl.String,
    "task": pl.String,
    "rows": pl.Int64,
    "positives": pl.Int64,
}
_MEMBER = {
    "ensemble": pl.String,
    "arm": pl.String,
    "trial": pl.Int64,
    "seed": pl.Int64,
    "weight": pl.Float64,
}


def trials(arms: Sequence[ArmRecord]) -> pl.DataFrame:
    """Return a row per trial with its end, its cost, and a column for every searched setting.

    A setting that the trial's arm does not draw is null.
    """
    rows = []
    parameters = []
    names: dict[str, None] = {}
    for arm in arms:
        names |= dict.fromkeys(searched.name for searched in arm.ranges)
        for trial in arm.trials:
            rows.append(_trial_row(arm, trial))
            parameters.append(trial.parameters)
    settings = [_setting(name, parameters) for name in names]
    return pl.DataFrame(rows, schema=_TRIAL).hstack(settings)


def evaluations(arms: Sequence[ArmRecord]) -> pl.DataFrame:
    """Return a row per evaluation on validation; `seed` is null for trials."""
    trained: list[tuple[str, int, int | None, Sequence[EvaluationRecord]]] = []
    for arm in arms:
        trained += [(arm.name, trial.number, None, trial.evaluations) for trial in arm.trials]
    for arm, finalist, run in _runs(arms):
        trained.append((arm.name, finalist.trial_number, run.seed, run.evaluations))
    rows = []
    for *key, of_run in trained:
        for each in of_run:
            values = each.step, each.epochs, each.objective, each.train_loss, each.seconds
            rows.append((*key, *values))
    return pl.DataFrame(rows, schema=_EVALUATION, orient="row")


def finalists(
    arms: Sequence[ArmRecord], units: Mapping[str, float] = MappingProxyType({})
) -> pl.DataFrame:
    """Return a row per finalist, seed, split and cell; test rows only of opened finalists.

    `units` has the unit of every task of amounts, the amount for which a label of 1 stands. With
    some there are columns of it and of the errors of amounts, and with objectives that read further
    metrics columns of these.
    """
    rows = list(_finalist_rows(arms))
    columns = _metric_columns(rows, has_amounts=bool(units))
    flat = [{**row, **row["further"], "unit": units.get(row["task"])} for row in rows]
    return pl.DataFrame(flat, schema={**_FINALIST, **columns})


def members(ensembles: Sequence[EnsembleRecord]) -> pl.DataFrame:
    """Return a row per member of an ensemble; `weight` sums to 1 within an ensemble."""
    rows = []
    for ensemble in ensembles:
        for member in ensemble.members:
            run = member.run
            rows.append((ensemble.name, run.arm, run.trial_number, run.seed, member.weight))
    return pl.DataFrame(rows, schema=_MEMBER, orient="row")


def _trial_row(arm: ArmRecord, trial: TrialRecord) -> Mapping[str, Any]:
    row = {
        **vars(trial),
        "arm": arm.name,
        "model": arm.model,
        "trial": trial.number,
        "origin": arm.origin_of(trial),
        "counts": trial.counts,
        "started": datetime.fromisoformat(trial.started) if trial.started else None,
        "finished": datetime.fromisoformat(trial.finished) if trial.finished else None,
        **(vars(trial.cost) if trial.cost else dict.fromkeys(_COST)),  # `parameters` are counted
    }
    return {name: row.get(name) for name in _TRIAL}


def _metric_columns(rows: Sequence[Mapping[str, Any]], *, has_amounts: bool) -> dict[str, Any]:
    """Return the columns of the metrics that some cell of the study may have, and of its reason."""
    always = always_measured()
    columns: dict[str, Any] = {}
    for field in fields(CellValue):
        if field.name in always and (has_amounts or always[field.name].labels == "any"):
            columns[field.name] = pl.Float64
    further = dict.fromkeys(name for row in rows for name in row["further"])
    columns |= dict.fromkeys(further, pl.Float64)
    columns["reason"] = pl.String
    return columns | ({"unit": pl.Float64} if has_amounts else {})


def _finalist_rows(arms: Sequence[ArmRecord]) -> Iterator[Mapping[str, Any]]:
    for arm, finalist, run in _runs(arms):
        run_columns = {
            "arm": arm.name,
            "trial": finalist.trial_number,
            "is_default": finalist.is_default,
            "chosen": finalist.chosen,
            "seed": run.seed,
        }
        for split, cells in (("valid", run.valid_cells), ("test", run.test_cells or ())):
            for cell in cells:
                yield {**run_columns, "split": split, **asdict(cell)}


def _runs(arms: Sequence[ArmRecord]) -> Iterator[tuple[ArmRecord, FinalistRecord, FinalistRun]]:
    for arm in arms:
        for finalist in arm.finalists:
            yield from ((arm, finalist, run) for run in finalist.runs)


def _setting(name: str, parameters: Sequence[Mapping[str, Any]]) -> pl.Series:
    """Return the values of one setting in all trials: as they are if of one type, else as text.

    Integers and floats together become floats.
    """
    values = [of_trial.get(name) for of_trial in parameters]
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float} and len(kinds) == 2:
        return pl.Series(name, values, dtype=pl.Float64, strict=False)
    if len(kinds) > 1:
        texts = [None if value is None else str(value) for value in values]
        return pl.Series(name, texts, dtype=pl.String)
    return pl.Series(name, values, dtype=None if kinds else pl.String)
