"""Embedded data: the study as one JSON document, inside the page (gzipped, in base64) and by `report --format json`.

All trials are one table (column names once, then rows), of which a setting that an arm does not search is null. Times
are seconds after the first trial began. Values by cell are in the order of `cells`. The curves of single trials stay in
the database: 10,000 trials with every cell of every evaluation would be hundreds of megabytes. docs/report_data.md
describes every key.
"""

import base64
import gzip
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from math import isfinite

from hinet_search.compare import Contrast, headline, title, verdict
from hinet_search.records import (
    ArmRecord,
    CellValue,
    FinalistRecord,
    FinalistSummary,
    ParameterRange,
    StudyRecord,
    TrialRecord,
)

SCHEMA = 1
TRIAL = ("arm", "number", "state", "cause", "value", "seconds", "parameters", "started", "finished")

Cells = Sequence[tuple[str, str]]
Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None


def embedded_json(record: StudyRecord) -> str:
    """The same record gives the same text; it has no letter that could end the script element it stands in."""
    return packed(json_text(record).encode())


def json_text(record: StudyRecord) -> str:
    """The document as text, on one line."""
    return json.dumps(_study(record), ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def packed(content: bytes) -> str:
    """Bytes as a page holds them: gzipped, in base64."""
    return base64.b64encode(gzip.compress(content, mtime=0)).decode()


def _study(record: StudyRecord) -> Json:
    outcome = verdict(record)
    cells = [(cell.scenario, cell.task) for cell in record.data.cells]
    return {
        "schema": SCHEMA,
        "kind": "report",
        "study": record.name,
        "state": record.state,
        "verdict": {
            "status": outcome.status,
            "sentence": outcome.sentence,
            "focus": outcome.focus,
            "headline": headline(record.objective),
            "contrasts": [_contrast(one) for one in outcome.contrasts],
        },
        "objective": {"name": record.objective, "maximize": record.maximize},
        "data": {
            "source": record.data.source,
            "fingerprint": record.data.fingerprint,
            "split": record.data.split,
            "rows": list(record.data.rows),
        },
        "versions": dict(record.versions),
        "study_yaml": record.study_yaml,
        "cells": [[cell.scenario, cell.task, list(cell.rows), list(cell.positives)] for cell in record.data.cells],
        "arms": [_arm(arm, cells) for arm in record.arms],
        "trials": _trials(record),
    }


def _contrast(one: Contrast) -> Json:
    found = one.difference
    return {
        "arm": one.arm,
        "gain": _plain(found.mean) if found else None,
        "interval": [_plain(found.low), _plain(found.high)] if found else None,
        "p": _plain(one.p),
        "p_holm": _plain(one.p_holm),
        "seed_error": _plain(one.seed_error),
        "user_error": _plain(one.user_error),
    }


def _arm(arm: ArmRecord, cells: Cells) -> Json:
    return {
        "name": arm.name,
        "title": title(arm.name),
        "model": arm.model,
        "size_of": arm.size_of,
        "fixed": {name: _plain(value) for name, value in arm.fixed.items()},
        "searched": [_range(searched) for searched in arm.ranges],
        "importances": {name: _plain(value) for name, value in arm.importances.items()},
        "finalists": [_finalist(finalist, cells) for finalist in arm.finalists],
    }


def _range(searched: ParameterRange) -> Json:
    ends = [_plain(searched.low), _plain(searched.high)]
    return {
        "name": searched.name,
        "kind": searched.kind,
        "range": None if searched.low is None else ends,
        "log": searched.log,
        "choices": list(searched.choices),
    }


def _trials(record: StudyRecord) -> Json:
    names = sorted({name for arm in record.arms for trial in arm.trials for name in trial.parameters})
    since = _clock(record)
    return {
        "columns": [*TRIAL, *names],
        "rows": [_row(arm, trial, names, since) for arm in record.arms for trial in arm.trials],
    }


def _row(arm: ArmRecord, trial: TrialRecord, names: Sequence[str], since: Callable[[str], int | None]) -> Json:
    """`parameters` counts those without embeddings; what is no torch model has none to count."""
    cost = trial.cost
    return [
        arm.name,
        trial.number,
        trial.state if trial.counts else "outside",
        trial.cause,
        _plain(trial.value),
        round(cost.seconds) if cost else None,
        cost.dense_parameters if cost and cost.flops_per_row else None,
        since(trial.started),
        since(trial.finished),
        *(_plain(trial.parameters.get(name), digits=4) for name in names),
    ]


def _clock(record: StudyRecord) -> Callable[[str], int | None]:
    """Whole seconds from the start of the first trial to a moment; None where no moment was recorded."""
    begun = min((trial.started for arm in record.arms for trial in arm.trials if trial.started), default="")

    def since(moment: str) -> int | None:
        return round((datetime.fromisoformat(moment) - zero).total_seconds()) if moment and zero else None

    zero = datetime.fromisoformat(begun) if begun else None
    return since


def _finalist(finalist: FinalistRecord, cells: Cells) -> Json:
    """Lists with one entry a seed; `test` is null until a seed is opened."""
    return {
        "trial": finalist.trial_number,
        "default": finalist.is_default,
        "chosen": finalist.chosen,
        "seeds": [run.seed for run in finalist.runs],
        "valid": [_plain(run.valid_objective) for run in finalist.runs],
        "test": [_values(run.test_cells, cells) for run in finalist.runs],
        "ensemble": _ensemble(finalist.summary, cells),
    }


def _ensemble(together: FinalistSummary | None, cells: Cells) -> Json:
    if together is None:
        return None
    return {
        "valid": _values(together.ensemble_valid_cells, cells),
        "test": _values(together.ensemble_test_cells, cells),
    }


def _values(found: Sequence[CellValue] | None, cells: Cells) -> Json:
    """Columns with one entry a cell, in the order of the study's `cells`."""
    if found is None:
        return None
    known = {(cell.scenario, cell.task): cell for cell in found}
    ordered = [known.get(cell) for cell in cells]
    return {
        "auc": [None if cell is None else _plain(cell.auc) for cell in ordered],
        "logloss": [None if cell is None else _plain(cell.logloss) for cell in ordered],
    }


def _plain(value: float | str | None, digits: int = 5) -> Json:
    """JSON has no NaN; five significant digits are more than any number here is certain of."""
    if isinstance(value, float):
        return float(f"{value:.{digits}g}") if isfinite(value) else None
    return value
