"""Embedded data: the study as compact JSON inside the page, for machines and for the download link.

Trials are a table (column names once, then rows); how a trial ended is an index into `endings`. The curves of single trials stay in the database:
10,000 trials with every cell of every evaluation would be hundreds of megabytes.
"""

import json
from collections.abc import Sequence
from math import isfinite

from markupsafe import Markup

from hinet_search.compare import verdict
from hinet_search.records import ArmRecord, CellValue, FinalistRecord, StudyRecord

SCHEMA = 1

Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None

_ESCAPES: dict[str, str | int | None] = {
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}


def embedded_json(record: StudyRecord) -> Markup:
    """JSON text that cannot end the script element it stands in."""
    text = json.dumps(_study(record), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.translate(str.maketrans(_ESCAPES)))  # noqa: S704  # <, > and & are escaped on this line


def _study(record: StudyRecord) -> Json:
    outcome = verdict(record)
    return {
        "schema": SCHEMA,
        "study": record.name,
        "state": record.state,
        "verdict": {"status": outcome.status, "sentence": outcome.sentence, "focus": outcome.focus},
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
        "arms": [_arm(arm) for arm in record.arms],
    }


def _arm(arm: ArmRecord) -> Json:
    endings = list(dict.fromkeys((trial.state, trial.cause) for trial in arm.trials))
    names = sorted({name for trial in arm.trials for name in trial.parameters})
    return {
        "name": arm.name,
        "model": arm.model,
        "fixed": {name: _plain(value) for name, value in arm.fixed.items()},
        "importances": {name: _plain(value) for name, value in arm.importances.items()},
        "trials": {
            "endings": [[state, cause] for state, cause in endings],
            "columns": ["number", "value", "seconds", "ending", *names],
            "rows": [
                [
                    trial.number,
                    _plain(trial.value),
                    round(trial.cost.seconds) if trial.cost else None,
                    endings.index((trial.state, trial.cause)),
                    *(_plain(trial.parameters.get(name), digits=4) for name in names),
                ]
                for trial in arm.trials
            ],
        },
        "finalists": [_finalist(finalist) for finalist in arm.finalists],
    }


def _finalist(finalist: FinalistRecord) -> Json:
    return {
        "trial": finalist.trial_number,
        "default": finalist.is_default,
        "chosen": finalist.chosen,
        "runs": [
            {
                "seed": run.seed,
                "valid": _plain(run.valid_objective),
                "test": None if run.test_cells is None else _cells(run.test_cells),
            }
            for run in finalist.runs
        ],
    }


def _cells(cells: Sequence[CellValue]) -> Json:
    """Columns of equal length, one entry a cell."""
    return {
        "names": [f"{cell.scenario}/{cell.task}" for cell in cells],
        "auc": [_plain(cell.auc) for cell in cells],
        "logloss": [_plain(cell.logloss) for cell in cells],
    }


def _plain(value: float | str | None, digits: int = 6) -> Json:
    """JSON has no NaN; six significant digits are more than any number here is certain of."""
    if isinstance(value, float):
        return float(f"{value:.{digits}g}") if isfinite(value) else None
    return value
