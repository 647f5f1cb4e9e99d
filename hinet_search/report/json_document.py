"""Embedded data: the study as one JSON document, for the page and for `report --format json`.

The page holds it gzipped, in base64. All trials are one table (column names once, then rows) in
which a setting that an arm does not search is null. Times are seconds after the start of the first
trial. Values by cell are in the order of `cells`. The curves of single trials stay in the database:
10,000 trials with every cell of every evaluation would be hundreds of megabytes.
docs/report_data.md describes every key.
"""

import base64
import gzip
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from math import isfinite

from hinet_search.report.facts.measured_inputs import measured_inputs
from hinet_search.results.cell_gains import over_reference
from hinet_search.results.cells import absent_cells
from hinet_search.results.contrasts import Contrast
from hinet_search.results.ensemble_records import EnsembleRecord
from hinet_search.results.finalist_values import headline
from hinet_search.results.front import finalists_of, objectives_of
from hinet_search.results.origins import Origins
from hinet_search.results.records import (
    ArmRecord,
    CellValue,
    FinalistRecord,
    FinalistSummary,
    ParameterRange,
    TrialRecord,
)
from hinet_search.results.shipping import Offer, shipment
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.taught_contrasts import student_contrasts
from hinet_search.results.verdict import Verdict, title, verdict

SCHEMA = 1
TRIAL = (
    "arm",
    "number",
    "state",
    "cause",
    "origin",
    "value",
    "seconds",
    "parameters",
    "started",
    "finished",
)

Cells = Sequence[tuple[str, str]]
Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None


def embedded_json(record: StudyRecord) -> str:
    """Return the document gzipped, in base64.

    The same record gives the same text, and no character of it can end its script element.
    """
    content = gzip.compress(json_text(record).encode(), mtime=0)
    return base64.b64encode(content).decode()


def json_text(record: StudyRecord) -> str:
    """Return the document as text, on one line."""
    return json.dumps(_study(record), ensure_ascii=False, allow_nan=False, separators=(",", ":"))


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
            "contrasts": [_contrast(contrast) for contrast in outcome.contrasts],
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
        "cells": [
            [cell.scenario, cell.task, list(cell.rows), list(cell.positives)]
            for cell in record.data.cells
        ],
        **_absent(record),
        **_amounts(record),
        "arms": [
            {**_description(arm, cells), "over_reference": _over_reference(record, arm)}
            for arm in record.arms
        ],
        "trials": _trials(record, record.arms),
        **_inputs(record),
        **_on_top(record, outcome, cells),
        **_front(record),
    }


def _absent(record: StudyRecord) -> dict[str, Json]:
    """Return the (scenario, task) without labels; empty if there are none."""
    absent: list[Json] = [list(name) for name in absent_cells(record.data)]
    return {"absent_cells": absent} if absent else {}


def _amounts(record: StudyRecord) -> dict[str, Json]:
    """Return the unit of every task of amounts, and mean amounts by cell; empty without any."""
    data = record.data
    if not data.units:
        return {}
    means: list[Json] = [
        None if cell.means is None else [_plain(mean) for mean in cell.means] for cell in data.cells
    ]
    units: Json = {task: _plain(unit) for task, unit in data.units.items()}
    return {"amounts": {"units": units, "means": means}}


def _inputs(record: StudyRecord) -> dict[str, Json]:
    """Return what groups of inputs are worth; empty unless that was measured."""
    measured = measured_inputs(record)
    if measured is None:
        return {}
    worths = [(group, measured.worth([group])) for group in measured.choice.worths]
    return {
        "inputs": {
            "arm": measured.arm,
            "seeds": measured.num_seeds,
            "groups": [
                {
                    "name": group,
                    "worth": _plain(worth.mean),
                    "interval": [_plain(worth.low), _plain(worth.high)],
                    "dropped": group in measured.dropped,
                }
                for group, worth in worths
                if worth is not None
            ],
            "followed_by": [arm.name for arm in measured.followers],
        }
    }


def _on_top(record: StudyRecord, outcome: Verdict, cells: Cells) -> dict[str, Json]:
    """Return students, ensembles and shipment; empty for a study of arms alone."""
    if not (record.students or record.ensembles or record.budget.serving.are_set):
        return {}
    shipped = shipment(record, outcome)
    gains = {contrast.arm: _contrast(contrast) for contrast in student_contrasts(record)}
    return {
        "students": [
            {
                **_description(student, cells),
                "student_of": student.student_of,
                "contrast": gains.get(student.name),
            }
            for student in record.students
        ],
        "student_trials": _trials(record, record.students),
        "ensembles": [_averaged(ensemble, cells) for ensemble in record.ensembles],
        "shipment": {
            "taken": shipped.taken.name if shipped.taken else None,
            "why": shipped.why,
            "max_ms_per_100_rows": _plain(record.budget.serving.max_ms_per_100_rows),
            "max_flops_per_row": _plain(record.budget.serving.max_flops_per_row),
            "offers": [_offer(offer) for offer in shipped.offers],
        },
    }


def _front(record: StudyRecord) -> dict[str, Json]:
    """Return the finalists with their value in every objective; empty for a study with one."""
    if not record.other_objectives:
        return {}
    return {
        "front": {
            "objectives": [record.objective, *record.other_objectives],
            "finalists": [
                {
                    "arm": contender.arm.name,
                    "trial": contender.trial_number,
                    "values": [_plain(value) for value in contender.values],
                    "on_front": contender.is_on_front,
                }
                for contender in finalists_of(record, objectives_of(record))
            ],
        }
    }


def _averaged(ensemble: EnsembleRecord, cells: Cells) -> Json:
    """Return an ensemble; `gain` is that of the selection, cross-fitted, with its interval."""
    gain = ensemble.gain
    return {
        "name": ensemble.name,
        "method": ensemble.method,
        "scale": ensemble.scale,
        "pool": len(ensemble.pool),
        "members": [
            [member.run.arm, member.run.trial_number, member.run.seed, _plain(member.weight)]
            for member in ensemble.members
        ],
        "valid": _plain(ensemble.valid_objective),
        "gain": [_plain(gain.estimate), _plain(gain.low), _plain(gain.high)] if gain else None,
        "sizes": [
            [len(size.runs), _plain(size.value), _plain(size.cross_fitted)]
            for size in ensemble.sizes
        ],
        "valid_cells": _values(ensemble.valid_cells, cells),
        "test": _values(ensemble.test_cells, cells),
    }


def _offer(offer: Offer) -> Json:
    return {
        "name": offer.name,
        "kind": offer.kind,
        "members": offer.members,
        "valid": _plain(offer.valid),
        "test": _plain(offer.test),
        "milliseconds_per_100": _plain(offer.milliseconds),
        "flops_per_row": offer.flops_per_row,
        "share_of_limits": _plain(offer.share),
        "meets_limits": offer.meets_limits,
    }


def _contrast(contrast: Contrast) -> Json:
    difference = contrast.difference
    return {
        "arm": contrast.arm,
        "gain": _plain(difference.mean) if difference else None,
        "interval": [_plain(difference.low), _plain(difference.high)] if difference else None,
        "p": _plain(contrast.p),
        "p_holm": _plain(contrast.p_holm),
        "seed_error": _plain(contrast.seed_error),
        "user_error": _plain(contrast.user_error),
        "mark": contrast.mark,
        "lacks": contrast.lacks,
    }


def _description(arm: ArmRecord, cells: Cells) -> dict[str, Json]:
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


def _over_reference(record: StudyRecord, arm: ArmRecord) -> Json:
    """Return gains as shares, cells in the record's order; null without gains."""
    gains = over_reference(record, arm)
    if gains is None or gains.multi_task_gain is None:
        return None
    return {
        "rela_impr": _plain(gains.rela_impr),
        "multi_task_gain": _plain(gains.multi_task_gain),
        "cells": [
            [cell.scenario, cell.task, _plain(cell.rela_impr), _plain(cell.share)]
            for cell in gains.cells
        ],
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


def _trials(record: StudyRecord, arms: Sequence[ArmRecord]) -> Json:
    searched: set[str] = set()
    for arm in arms:
        searched.update(*(trial.parameters for trial in arm.trials))
    names = sorted(searched)
    since = _clock(record)
    rows: list[Json] = []
    for arm in arms:
        origins = Origins(arm)
        rows += [_row(arm, trial, names, since, origins.of(trial)) for trial in arm.trials]
    return {"columns": [*TRIAL, *names], "rows": rows}


def _row(
    arm: ArmRecord,
    trial: TrialRecord,
    names: Sequence[str],
    since: Callable[[str], int | None],
    origin: str,
) -> Json:
    """Return a trial's row; `parameters` excludes embeddings and is null unless a torch model."""
    cost = trial.cost
    return [
        arm.name,
        trial.number,
        trial.state if trial.counts else "outside",
        trial.cause,
        origin,
        _plain(trial.value),
        round(cost.seconds) if cost else None,
        cost.dense_parameters if cost and cost.flops_per_row else None,
        since(trial.started),
        since(trial.finished),
        *(_plain(trial.parameters.get(name), digits=4) for name in names),
    ]


def _clock(record: StudyRecord) -> Callable[[str], int | None]:
    """Return a function from a time to whole seconds since the first trial, None for no time."""
    starts = [trial.started for arm in record.arms for trial in arm.trials if trial.started]
    first = datetime.fromisoformat(min(starts)) if starts else None

    def since(moment: str) -> int | None:
        if not moment or first is None:
            return None
        return round((datetime.fromisoformat(moment) - first).total_seconds())

    return since


def _finalist(finalist: FinalistRecord, cells: Cells) -> Json:
    """Return lists with one entry per seed; `test` is null for seeds not evaluated on test."""
    return {
        "trial": finalist.trial_number,
        "default": finalist.is_default,
        "chosen": finalist.chosen,
        "seeds": [run.seed for run in finalist.runs],
        "valid": [_plain(run.valid_objective) for run in finalist.runs],
        "test": [_values(run.test_cells, cells) for run in finalist.runs],
        "ensemble": _ensemble(finalist.summary, cells),
    }


def _ensemble(summary: FinalistSummary | None, cells: Cells) -> Json:
    if summary is None:
        return None
    return {
        "valid": _values(summary.ensemble_valid_cells, cells),
        "test": _values(summary.ensemble_test_cells, cells),
    }


def _values(values: Sequence[CellValue] | None, cells: Cells) -> Json:
    """Return columns with one entry per cell, in the order of the study's `cells`.

    Cells of amounts have errors too, and the cells of a study what its objectives read; columns of
    these are there if some cell has them.
    """
    if values is None:
        return None
    known = {(cell.scenario, cell.task): cell for cell in values}
    ordered = [known.get(cell) for cell in cells]
    names = ["auc", "logloss"]
    if any(cell.rmse is not None for cell in values):
        names += ["rmse", "mae"]
    names += dict.fromkeys(name for cell in values for name in cell.further)
    columns: dict[str, Json] = {}
    for name in names:
        columns[name] = [None if cell is None else _plain(cell.value(name)) for cell in ordered]
    return columns


def _plain(value: float | str | None, digits: int = 5) -> Json:
    """Round to significant digits, beyond any number's precision; NaN becomes null."""
    if isinstance(value, float):
        return float(f"{value:.{digits}g}") if isfinite(value) else None
    return value
