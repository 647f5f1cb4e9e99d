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
from dataclasses import asdict
from datetime import datetime

from hinet_search.report.json_values import Json, all_plain, mapped, plain
from hinet_search.report.json_worths import worths
from hinet_search.results.cell_gains import over_reference
from hinet_search.results.cells import absent_cells
from hinet_search.results.contrasts import Contrast
from hinet_search.results.data_record import DataRecord
from hinet_search.results.ensemble_records import EnsembleRecord
from hinet_search.results.finalist_values import cells_of, headline
from hinet_search.results.front import finalists_of, objectives_of
from hinet_search.results.origins import Origins
from hinet_search.results.records import ArmRecord, CellValue, FinalistRecord
from hinet_search.results.shipping import Offer, shipment
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.taught_contrasts import student_contrasts
from hinet_search.results.verdict import Verdict, title, verdict

SCHEMA = 1
TRIAL = ("arm", "number", "state", "cause", "origin", "value", "seconds", "parameters")
TIMES = ("started", "finished")

Cells = Sequence[tuple[str, str]]


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
    data = record.data
    contrasts: list[Json] = [_contrast(contrast) for contrast in outcome.contrasts]
    document: dict[str, Json] = {
        "schema": SCHEMA,
        "kind": "report",
        "study": record.name,
        "state": record.state,
        "verdict": {
            "status": outcome.status,
            "sentence": outcome.sentence,
            "focus": outcome.focus,
            "headline": headline(record.objective),
            "contrasts": contrasts,
        },
        "objective": {"name": record.objective, "maximize": record.maximize},
        "data": _data(data),
        "versions": dict(record.versions),
        "study_yaml": record.study_yaml,
        "cells": [
            [cell.scenario, cell.task, list(cell.rows), list(cell.positives)] for cell in data.cells
        ],
    }
    absent: list[Json] = [list(name) for name in absent_cells(data)]
    if absent:
        document["absent_cells"] = absent
    if data.units:
        document["amounts"] = _amounts(data)
    document["arms"] = _arms(record)
    document["trials"] = _trials(record, record.arms)
    document |= worths(record)
    if record.students or record.ensembles or record.budget.serving.are_set:
        document |= _on_top(record, outcome)
    if record.other_objectives:
        document["front"] = _front(record)
    return document


def _data(data: DataRecord) -> Json:
    described: dict[str, Json] = {
        "source": data.source,
        "fingerprint": data.fingerprint,
        "split": data.split,
        "rows": list(data.rows),
    }
    if data.sample is not None:
        described["sample"] = mapped(asdict(data.sample))
    return described


def _arms(record: StudyRecord) -> Json:
    arms: list[Json] = []
    for arm in record.arms:
        gains = _over_reference(record, arm)
        arms.append({**_description(arm, cells_of(record)), "over_reference": gains})
    return arms


def _amounts(data: DataRecord) -> Json:
    """Return the unit of every task of amounts, and mean amounts by cell."""
    means: list[Json] = [cell.means and all_plain(cell.means) for cell in data.cells]
    return {"units": mapped(data.units), "means": means}


def _on_top(record: StudyRecord, outcome: Verdict) -> dict[str, Json]:
    """Return students, ensembles and shipment."""
    cells = cells_of(record)
    gains = {contrast.arm: _contrast(contrast) for contrast in student_contrasts(record)}
    students: list[Json] = []
    for student in record.students:
        contrast = gains.get(student.name)
        described = _description(student, cells)
        students.append({**described, "student_of": student.student_of, "contrast": contrast})
    shipped = shipment(record, outcome)
    return {
        "students": students,
        "student_trials": _trials(record, record.students),
        "ensembles": [_ensemble(ensemble, cells) for ensemble in record.ensembles],
        "shipment": {
            "taken": shipped.taken.name if shipped.taken else None,
            "why": shipped.why,
            "max_ms_per_100_rows": plain(record.budget.serving.max_ms_per_100_rows),
            "max_flops_per_row": plain(record.budget.serving.max_flops_per_row),
            "offers": [_offer(offer) for offer in shipped.offers],
        },
    }


def _front(record: StudyRecord) -> Json:
    """Return the finalists with their value in every objective."""
    finalists: list[Json] = [
        {
            "arm": contender.arm.name,
            "trial": contender.trial_number,
            "values": all_plain(contender.values),
            "on_front": contender.is_on_front,
        }
        for contender in finalists_of(record, objectives_of(record))
    ]
    return {"objectives": [record.objective, *record.other_objectives], "finalists": finalists}


def _ensemble(ensemble: EnsembleRecord, cells: Cells) -> Json:
    """Return an ensemble; `gain` is that of the selection, cross-fitted, with its interval."""
    gain = ensemble.gain
    members: list[Json] = []
    for member in ensemble.members:
        run = member.run
        members.append([run.arm, run.trial_number, run.seed, plain(member.weight)])
    sizes: list[Json] = [
        [len(size.runs), plain(size.value), plain(size.cross_fitted)] for size in ensemble.sizes
    ]
    return {
        "name": ensemble.name,
        "method": ensemble.method,
        "scale": ensemble.scale,
        "pool": len(ensemble.pool),
        "members": members,
        "valid": plain(ensemble.valid_objective),
        "gain": all_plain([gain.estimate, gain.low, gain.high]) if gain else None,
        "sizes": sizes,
        "valid_cells": _values(ensemble.valid_cells, cells),
        "test": _values(ensemble.test_cells, cells),
    }


def _offer(offer: Offer) -> Json:
    return {
        "name": offer.name,
        "kind": offer.kind,
        "members": offer.members,
        "valid": plain(offer.valid),
        "test": plain(offer.test),
        "milliseconds_per_100": plain(offer.milliseconds),
        "flops_per_row": offer.flops_per_row,
        "share_of_limits": plain(offer.share),
        "meets_limits": offer.meets_limits,
    }


def _contrast(contrast: Contrast) -> Json:
    difference = contrast.difference
    return {
        "arm": contrast.arm,
        "gain": plain(contrast.mean),
        "interval": all_plain([difference.low, difference.high]) if difference else None,
        "p": plain(contrast.p),
        "p_holm": plain(contrast.p_holm),
        "seed_error": plain(contrast.seed_error),
        "user_error": plain(contrast.user_error),
        "mark": contrast.mark,
        "lacks": contrast.lacks,
    }


def _description(arm: ArmRecord, cells: Cells) -> dict[str, Json]:
    searched: list[Json] = []
    for parameter in arm.ranges:
        ends = all_plain([parameter.low, parameter.high])
        searched.append(
            {
                "name": parameter.name,
                "kind": parameter.kind,
                "range": None if parameter.low is None else ends,
                "log": parameter.log,
                "choices": list(parameter.choices),
            }
        )
    return {
        "name": arm.name,
        "title": title(arm.name),
        "model": arm.model,
        "size_of": arm.size_of,
        "fixed": mapped(arm.fixed),
        "searched": searched,
        "importances": mapped(arm.importances),
        "finalists": [_finalist(finalist, cells) for finalist in arm.finalists],
    }


def _over_reference(record: StudyRecord, arm: ArmRecord) -> Json:
    """Return gains as shares, cells in the record's order; null without gains."""
    gains = over_reference(record, arm)
    if gains is None or gains.multi_task_gain is None:
        return None
    cells: list[Json] = [
        [cell.scenario, cell.task, plain(cell.rela_impr), plain(cell.share)] for cell in gains.cells
    ]
    return {
        "rela_impr": plain(gains.rela_impr),
        "multi_task_gain": plain(gains.multi_task_gain),
        "cells": cells,
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
    since = _clock(record)
    rows: list[Json] = []
    for arm in arms:
        origins = Origins(arm)
        for trial in arm.trials:
            cost = trial.cost
            settings = [plain(trial.parameters.get(name), digits=4) for name in names]
            rows.append(
                [
                    arm.name,
                    trial.number,
                    trial.state if trial.counts else "outside",
                    trial.cause,
                    origins.of(trial),
                    plain(trial.value),
                    round(cost.seconds) if cost else None,
                    cost.dense_parameters if cost and cost.flops_per_row else None,
                    since(trial.started),
                    since(trial.finished),
                    *settings,
                ]
            )
    return {"columns": [*TRIAL, *TIMES, *names], "rows": rows}


def _clock(record: StudyRecord) -> Callable[[str], int | None]:
    """Return a function from a time to whole seconds since the first trial, None for no time."""
    starts: list[str] = []
    for arm in record.arms:
        starts += [trial.started for trial in arm.trials if trial.started]
    first = datetime.fromisoformat(min(starts)) if starts else None

    def since(moment: str) -> int | None:
        if not moment or first is None:
            return None
        return round((datetime.fromisoformat(moment) - first).total_seconds())

    return since


def _finalist(finalist: FinalistRecord, cells: Cells) -> Json:
    """Return lists with one entry per seed; `test` is null for seeds not evaluated on test."""
    ensemble: Json = None
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
        "valid": all_plain(run.valid_objective for run in finalist.runs),
        "test": [_values(run.test_cells, cells) for run in finalist.runs],
        "ensemble": ensemble,
    }


def _values(values: Sequence[CellValue] | None, cells: Cells) -> Json:
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
    columns: dict[str, Json] = {}
    for name in names:
        columns[name] = [
            plain(known[cell].value(name)) if cell in known else None for cell in cells
        ]
    return columns
