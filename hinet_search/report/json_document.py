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
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from math import isfinite

from hinet_search.results.ablation import (
    MeasuredChoices,
    MeasuredInputs,
    measured_choices,
    measured_inputs,
)
from hinet_search.results.cells import CellName, absent_cells
from hinet_search.results.contrasts import Contrast, student_contrasts
from hinet_search.results.decision import decision
from hinet_search.results.ensemble_records import EnsembleRecord
from hinet_search.results.finalist_values import cells_of, headline
from hinet_search.results.opened_models import Offer
from hinet_search.results.records import ArmRecord, CellValue, FinalistRecord
from hinet_search.results.statistics.paired_difference import Difference
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.trade_offs import finalists_of, objectives_of
from hinet_search.results.verdict import Verdict, title, verdict

SCHEMA = 1
DIGITS = 5  # significant ones, beyond the precision of any measure
EXACT = "settings"  # of a choice
TRIAL = ("arm", "number", "state", "cause", "origin", "value", "seconds", "parameters")
TIMES = ("started", "finished")

Json = dict[str, object]


def embedded_json(record: StudyRecord) -> str:
    """Return the document gzipped, in base64.

    The same record gives the same text, and no character of it can end its script element.
    """
    content = gzip.compress(json_text(record).encode(), mtime=0)
    return base64.b64encode(content).decode()


def json_text(record: StudyRecord) -> str:
    """Return the document as text, on one line."""
    outcome = verdict(record)
    document = _study(record, outcome)
    inputs = measured_inputs(record)
    if inputs is not None:
        document["inputs"] = _inputs(inputs)
    choices = measured_choices(record)
    if choices is not None:
        document["choices"] = _choices(choices)
    if record.students or record.ensembles or record.budget.serving.are_set:
        document |= _on_top(record, outcome)
    if record.other_objectives:
        document["front"] = _front(record)
    written = _rounded(document, DIGITS)
    return json.dumps(written, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _rounded(value: object, digits: int) -> object:
    """Round all numbers but `settings` to significant digits; NaN becomes null."""
    if isinstance(value, float):
        return float(f"{value:.{digits}g}") if isfinite(value) else None
    if isinstance(value, Mapping):
        rounded = {key: _rounded(each, digits) for key, each in value.items() if key != EXACT}
        return {**value, **rounded}
    if isinstance(value, list | tuple):
        return [_rounded(each, digits) for each in value]
    return value


def _study(record: StudyRecord, outcome: Verdict) -> Json:
    data = record.data
    described: Json = {
        "source": data.source,
        "fingerprint": data.fingerprint,
        "split": data.split,
        "rows": data.rows,
    }
    if data.sample is not None:
        described["sample"] = asdict(data.sample)
    document: Json = {
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
        "data": described,
        "versions": record.versions,
        "study_yaml": record.study_yaml,
        "cells": [(cell.scenario, cell.task, cell.rows, cell.positives) for cell in data.cells],
    }
    absent = absent_cells(data)
    if absent:
        document["absent_cells"] = absent
    if data.units:
        document["amounts"] = {"units": data.units, "means": [cell.means for cell in data.cells]}
    document["arms"] = [_description(arm, cells_of(record)) for arm in record.arms]
    document["trials"] = _trials(record, record.arms)
    return document


def _inputs(measured: MeasuredInputs) -> Json:
    """Return what groups of inputs are worth."""
    groups = []
    for group, worth in measured.choice.worths.items():
        interval = (worth.low, worth.high)
        dropped = group in measured.dropped
        groups.append(
            {"name": group, "worth": worth.mean, "interval": interval, "dropped": dropped}
        )
    return {
        "arm": measured.arm,
        "seeds": measured.num_seeds,
        "groups": groups,
        "followed_by": [arm.name for arm in measured.followers],
    }


def _choices(measured: MeasuredChoices) -> Json:
    """Return what the choices of the search are worth in the best finalist."""
    choices = []
    for choice in measured.choices:
        settings = {}
        for name, (default, value) in choice.settings.items():
            settings[name] = {"default": default, "finalist": value}
        choices.append({"settings": settings, "gain": _gain(choice.gain)})
    return {
        "arm": measured.arm.name,
        "trial": measured.finalist.trial_number,
        "seeds": measured.num_seeds,
        "choices": choices,
        "whole": _gain(measured.whole),
        "not_measured": measured.left,
    }


def _gain(gain: Difference | None) -> Json | None:
    return None if gain is None else {"mean": gain.mean, "interval": (gain.low, gain.high)}


def _on_top(record: StudyRecord, outcome: Verdict) -> Json:
    """Return students, ensembles and shipment."""
    cells = cells_of(record)
    gains = {contrast.arm: _contrast(contrast) for contrast in student_contrasts(record)}
    students = []
    for student in record.students:
        described = _description(student, cells)
        described |= {"student_of": student.student_of, "contrast": gains.get(student.name)}
        students.append(described)
    shipped = decision(record, outcome)
    return {
        "students": students,
        "student_trials": _trials(record, record.students),
        "ensembles": [_ensemble(ensemble, cells) for ensemble in record.ensembles],
        "shipment": {
            "taken": shipped.taken.name if shipped.taken else None,
            "why": shipped.why,
            "max_ms_per_100_rows": record.budget.serving.max_ms_per_100_rows,
            "max_flops_per_row": record.budget.serving.max_flops_per_row,
            "offers": [_offer(offer) for offer in shipped.offers],
        },
    }


def _offer(offer: Offer) -> Json:
    return {
        "name": offer.name,
        "kind": offer.kind,
        "members": offer.members,
        "valid": offer.valid,
        "test": offer.test,
        "milliseconds_per_100": offer.milliseconds,
        "flops_per_row": offer.flops_per_row,
        "share_of_limits": offer.share,
        "meets_limits": offer.meets_limits,
    }


def _front(record: StudyRecord) -> Json:
    """Return the finalists with their value in every objective."""
    finalists = [
        {
            "arm": contender.arm.name,
            "trial": contender.trial_number,
            "values": contender.values,
            "on_front": contender.is_on_front,
        }
        for contender in finalists_of(record, objectives_of(record))
    ]
    return {"objectives": [record.objective, *record.other_objectives], "finalists": finalists}


def _ensemble(ensemble: EnsembleRecord, cells: Sequence[CellName]) -> Json:
    """Return an ensemble; `gain` is the cross-fitted gain of the selection, with its interval."""
    gain = ensemble.gain
    members = []
    for member in ensemble.members:
        run = member.run
        members.append((run.arm, run.trial_number, run.seed, member.weight))
    return {
        "name": ensemble.name,
        "method": ensemble.method,
        "scale": ensemble.scale,
        "pool": len(ensemble.pool),
        "members": members,
        "valid": ensemble.valid_objective,
        "gain": (gain.estimate, gain.low, gain.high) if gain else None,
        "sizes": [(len(size.runs), size.value, size.cross_fitted) for size in ensemble.sizes],
        "valid_cells": _values(ensemble.valid_cells, cells),
        "test": _values(ensemble.test_cells, cells),
    }


def _contrast(contrast: Contrast) -> Json:
    difference = contrast.difference
    return {
        "arm": contrast.arm,
        "gain": contrast.mean,
        "interval": (difference.low, difference.high) if difference else None,
        "p": contrast.p,
        "p_holm": contrast.p_holm,
        "seed_error": contrast.seed_error,
        "user_error": contrast.user_error,
        "mark": contrast.mark,
        "lacks": contrast.lacks,
    }


def _description(arm: ArmRecord, cells: Sequence[CellName]) -> Json:
    searched = [
        {
            "name": parameter.name,
            "kind": parameter.kind,
            "range": None if parameter.low is None else (parameter.low, parameter.high),
            "log": parameter.log,
            "choices": parameter.choices,
        }
        for parameter in arm.ranges
    ]
    return {
        "name": arm.name,
        "title": title(arm.name),
        "model": arm.model,
        "size_of": arm.size_of,
        "fixed": arm.fixed,
        "searched": searched,
        "importances": arm.importances,
        "finalists": [_finalist(finalist, cells) for finalist in arm.finalists],
    }


def _trials(record: StudyRecord, arms: Sequence[ArmRecord]) -> Json:
    """Return a row per trial.

    `parameters` excludes embeddings and is null unless it is of a torch model.
    """
    searched: set[str] = set()
    for arm in arms:
        for trial in arm.trials:
            searched.update(trial.parameters)
    names = sorted(searched)
    starts: list[str] = []  # of all trials, also while `arms` are students
    for arm in record.arms:
        starts += [trial.started for trial in arm.trials if trial.started]
    first = datetime.fromisoformat(min(starts)) if starts else None
    rows = []
    for arm in arms:
        for trial in arm.trials:
            cost = trial.cost
            settings = [trial.parameters.get(name) for name in names]
            rows.append(
                [
                    arm.name,
                    trial.number,
                    trial.state if trial.counts else "outside",
                    trial.cause,
                    arm.origin_of(trial),
                    trial.value,
                    round(cost.seconds) if cost else None,
                    cost.dense_parameters if cost and cost.flops_per_row else None,
                    _since(first, trial.started),
                    _since(first, trial.finished),
                    *(_rounded(setting, 4) for setting in settings),
                ]
            )
    return {"columns": [*TRIAL, *TIMES, *names], "rows": rows}


def _since(first: datetime | None, moment: str) -> int | None:
    """Return the whole seconds between two times, None if either is not known."""
    if not moment or first is None:
        return None
    return round((datetime.fromisoformat(moment) - first).total_seconds())


def _finalist(finalist: FinalistRecord, cells: Sequence[CellName]) -> Json:
    """Return lists with one entry per seed; `test` is null for seeds not evaluated on test."""
    ensemble = None
    if finalist.summary is not None:
        ensemble = {
            "valid": _values(finalist.summary.ensemble_valid_cells, cells),
            "test": _values(finalist.summary.ensemble_test_cells, cells),
        }
    return {
        "trial": finalist.trial_number,
        "default": finalist.is_default,
        "chosen": finalist.chosen,
        "seeds": [run.seed for run in finalist.runs],
        "valid": [run.valid_objective for run in finalist.runs],
        "test": [_values(run.test_cells, cells) for run in finalist.runs],
        "ensemble": ensemble,
    }


def _values(values: Sequence[CellValue] | None, cells: Sequence[CellName]) -> Json | None:
    """Return columns with one entry per cell, in the order of the study's `cells`.

    Cells of amounts have errors too, and the cells of a study what its objectives read; columns of
    these are there if some cell has them.
    """
    if values is None:
        return None
    known = {cell.name: cell for cell in values}
    names = ["auc", "logloss"]
    if any(cell.rmse is not None for cell in values):
        names += ["rmse", "mae"]
    for cell in values:
        names += [name for name in cell.further if name not in names]
    columns: Json = {}
    for name in names:
        columns[name] = [known[cell].value(name) if cell in known else None for cell in cells]
    return columns
