"""Frames: the arms of a study as tidy Polars tables of trials, evaluations and finalists."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    "passes": pl.Float64,
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
            rows.append(_trial_row(arm, trial, arm.origin_of(trial)))
            parameters.append(trial.parameters)
    settings = [_setting(name, parameters) for name in names]
    return pl.DataFrame(rows, schema=_TRIAL).hstack(settings)


def evaluations(arms: Sequence[ArmRecord]) -> pl.DataFrame:
    """Return a row per evaluation on validation; `seed` is null for trials."""
    return pl.DataFrame(list(_evaluation_rows(arms)), schema=_EVALUATION)


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
    rows = [
        {
            "ensemble": ensemble.name,
            "arm": member.run.arm,
            "trial": member.run.trial_number,
            "seed": member.run.seed,
            "weight": member.weight,
        }
        for ensemble in ensembles
        for member in ensemble.members
    ]
    return pl.DataFrame(rows, schema=_MEMBER)


def _trial_row(arm: ArmRecord, trial: TrialRecord, origin: str) -> Mapping[str, Any]:
    return {
        "arm": arm.name,
        "model": arm.model,
        "trial": trial.number,
        "state": trial.state,
        "value": trial.value,
        "is_default": trial.is_default,
        "origin": origin,
        "counts": trial.counts,
        "cause": trial.cause,
        "attempt": trial.attempt,
        "started": _moment(trial.started),
        "finished": _moment(trial.finished),
        **(asdict(trial.cost) if trial.cost else dict.fromkeys(_COST)),
    }


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


def _evaluation_rows(arms: Sequence[ArmRecord]) -> Iterator[Mapping[str, Any]]:
    for arm in arms:
        for trial in arm.trials:
            key = {"arm": arm.name, "trial": trial.number, "seed": None}
            yield from _evaluations_of(trial.evaluations, key)
    for arm, finalist, run in _runs(arms):
        key = {"arm": arm.name, "trial": finalist.trial_number, "seed": run.seed}
        yield from _evaluations_of(run.evaluations, key)


def _evaluations_of(
    evaluations: Iterable[EvaluationRecord], key: Mapping[str, Any]
) -> Iterator[Mapping[str, Any]]:
    for evaluation in evaluations:
        yield {
            **key,
            "step": evaluation.step,
            "passes": evaluation.passes,
            "objective": evaluation.objective,
            "train_loss": evaluation.train_loss,
            "seconds": evaluation.seconds,
        }


def _moment(text: str) -> datetime | None:
    """Parse a stored moment; None if it is empty."""
    return datetime.fromisoformat(text) if text else None


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
