"""Embedded data: the study as compact JSON inside the page, gzipped and in base64, for the download link.

Trials are a table (column names once, then rows); how a trial ended is an index into `endings`. Values
by cell are in the order of `cells`. The curves of single trials stay in the database:
10,000 trials with every cell of every evaluation would be hundreds of megabytes.
"""

import base64
import gzip
import json
from collections.abc import Sequence
from math import isfinite

from hinet_search.compare import Contrast, headline, verdict
from hinet_search.records import ArmRecord, CellValue, FinalistRecord, FinalistSummary, StudyRecord

SCHEMA = 2

Cells = Sequence[tuple[str, str]]
Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None


def embedded_json(record: StudyRecord) -> str:
    """The same record gives the same text; it has no letter that could end the script element it stands in."""
    text = json.dumps(_study(record), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def _study(record: StudyRecord) -> Json:
    outcome = verdict(record)
    cells = [(cell.scenario, cell.task) for cell in record.data.cells]
    return {
        "schema": SCHEMA,
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
    endings = list(dict.fromkeys((trial.state, trial.cause) for trial in arm.trials))
    names = sorted({name for trial in arm.trials for name in trial.parameters})
    return {
        "name": arm.name,
        "model": arm.model,
        "size_of": arm.size_of,
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
        "finalists": [_finalist(finalist, cells) for finalist in arm.finalists],
    }


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
