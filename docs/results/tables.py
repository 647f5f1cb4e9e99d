"""Print the tables of a results page from a stored study: `docs/results/tables.py kuairand`."""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from statistics import fmean

from markdown_tables import number, spread, table

import hinet_search
from hinet_search.results.cell_gains import against_reference
from hinet_search.results.contrasts import Contrast, contrasts, resolution, student_contrasts
from hinet_search.results.objectives import Objective
from hinet_search.results.records import ArmRecord, CellValue, FinalistRecord, FinalistRun
from hinet_search.results.shipping import serving_cost
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title, verdict

Metric = Callable[[Sequence[CellValue]], float]


def over_seeds(runs: Sequence[FinalistRun], split: str, metric: Metric) -> str:
    """A metric of a split over the seeds; empty when the split was not opened."""
    cells_of_runs = [cells for run in runs if (cells := getattr(run, f"{split}_cells")) is not None]
    return spread([metric(cells) for cells in cells_of_runs]) if cells_of_runs else ""


def chosen_of(arm: ArmRecord) -> FinalistRecord:
    """The finalist that stands for an arm."""
    return next(finalist for finalist in arm.finalists if finalist.chosen)


def finalist_row(name: str, finalist: FinalistRecord) -> list[str]:
    """One line of the table of arms."""
    runs, summary = finalist.runs, finalist.summary
    scores = [
        over_seeds(runs, split, metric)
        for split in ("valid", "test")
        for metric in (Objective("macro_auc"), Objective("weighted_auc"))
    ]
    together = [summary.ensemble_valid_cells, summary.ensemble_test_cells] if summary else []
    ensemble = " / ".join(number(Objective("macro_auc")(cells)) for cells in together)
    cost = runs[0].cost
    size = [
        f"{cost.parameters:,} ({cost.dense_parameters:,})",
        f"{cost.flops_per_row:,}" if cost.flops_per_row else "–",
    ]
    return [name, *scores, ensemble, *size, f"{fmean(run.cost.seconds for run in runs):.0f}"]


def arms_table(record: StudyRecord) -> list[str]:
    """The chosen finalist and the default of every arm."""
    head = [
        "arm",
        "valid macro",
        "valid weighted",
        "test macro",
        "test weighted",
        "ensemble macro, valid / test",
    ]
    head += ["parameters (dense)", "FLOPs a row", "seconds a run"]
    rows = []
    for arm in record.arms:
        chosen = chosen_of(arm)
        default = next((finalist for finalist in arm.finalists if finalist.is_default), None)
        rows.append(finalist_row(f"{arm.name} (trial {chosen.trial_number})", chosen))
        if default is not None and default is not chosen:
            rows.append(finalist_row(f"{arm.name}, default", default))
    return table(head, rows)


def taught_table(record: StudyRecord) -> list[str]:
    """Students with their teacher's weight and temperature, their gains, and the ensembles."""
    head = ["", "valid macro", "valid weighted", "test macro", "test weighted", "FLOPs a row"]
    rows = []
    for student in record.students:
        finalist = chosen_of(student)
        drawn = finalist.parameters
        name = (
            f"{student.name}, weight {drawn['train.teacher_weight']:.2f}, "
            f"temperature {drawn['train.teacher_temperature']:.1f}"
        )
        cells = finalist_row(name, finalist)
        rows.append([*cells[:5], cells[7]])
    for ensemble in record.ensembles:
        flops = serving_cost(record, [member.run for member in ensemble.members]).flops_per_row
        members, on_test = len(ensemble.members), ensemble.test_cells
        name = f"{ensemble.name} of {members} of {len(ensemble.pool)} runs ({ensemble.method})"
        values = [
            metric(ensemble.valid_cells)
            for metric in (Objective("macro_auc"), Objective("weighted_auc"))
        ]
        values += [
            metric(on_test)
            for metric in (Objective("macro_auc"), Objective("weighted_auc"))
            if on_test
        ]
        rows.append([name, *map(number, values), *[""] * (4 - len(values)), f"{flops:,}"])
    gains = list(_said(student_contrasts(record), "its arm"))
    focus = next((arm for arm in record.arms if arm.name == verdict(record).focus), None)
    if focus is not None:
        as_of_focus = [replace(each, student_of=f"{focus.name}/0") for each in record.students]
        against_focus = student_contrasts(replace(record, students=tuple(as_of_focus)))
        gains += _said(against_focus, focus.name)
    return [*table(head, rows), "", *(f"- {gain}" for gain in gains)]


def _said(contrasts_of_students: Sequence[Contrast], other: str) -> Iterator[str]:
    """Say what each student gains; Holm covers the students."""
    for contrast in contrasts_of_students:
        difference = contrast.difference
        if difference is None or contrast.p_holm is None:
            continue
        mean, low, high = (
            number(value, signed=True)
            for value in (difference.mean, difference.low, difference.high)
            if value is not None
        )
        yield (
            f"{contrast.arm} against {other}, test: {mean} ({low} to {high}), "
            f"p (Holm) {contrast.p_holm:.3f}"
        )


def contrasts_table(record: StudyRecord) -> list[str]:
    """The arm in focus against every other one, in the headline on test."""
    compared = contrasts(record)
    focus = verdict(record).focus
    rows = []
    for contrast in compared:
        if contrast.difference is None:
            rows.append([contrast.arm, "–", contrast.reason, "", "", ""])
            continue
        low, high = contrast.difference.low, contrast.difference.high
        interval = (
            "–"
            if low is None or high is None
            else f"{number(low, signed=True)} to {number(high, signed=True)}"
        )
        errors = [
            f"{error:.4f}".lstrip("0") if error is not None else "–"
            for error in (contrast.seed_error, contrast.user_error)
        ]
        p_holm = "–" if contrast.p_holm is None else f"{contrast.p_holm:.3f}"
        rows.append(
            [contrast.arm, number(contrast.difference.mean, signed=True), interval, *errors, p_holm]
        )
    head = [
        f"{title(focus or '')} against",
        "gain",
        "interval (Holm's level)",
        "error of seeds",
        "of users",
        "p (Holm)",
    ]
    said = [resolution(contrast) for contrast in compared[:1]]
    return [verdict(record).sentence, "", *table(head, rows), "", *said]


def reference_table(record: StudyRecord) -> list[str]:
    """Return gains over the reference: mean over cells, the smallest, cells of the seesaw."""
    rows = []
    for arm in record.arms:
        gains = against_reference(record, arm)
        known = (
            [cell.difference.mean for cell in gains.cells if cell.difference is not None]
            if gains
            else []
        )
        if (
            gains is None
            or not known
            or gains.smallest is None
            or gains.smallest.difference is None
        ):
            continue
        cell = f"{gains.smallest.scenario} · {gains.smallest.task}"
        smallest = f"{number(gains.smallest.difference.mean, signed=True)} ({cell})"
        rows.append([arm.name, number(fmean(known), signed=True), smallest, str(gains.seesaw)])
    return table(
        [
            f"against {record.reference}, test",
            "mean gain of cells",
            "smallest",
            "cells below (seesaw)",
        ],
        rows,
    )


def cells_table(record: StudyRecord) -> list[str]:
    """Test AUC of the chosen finalists per cell, and what is reachable where the truth is known."""
    is_known = any(cell.reachable_auc is not None for cell in record.data.cells)
    rows = [
        [f"{cell.scenario} · {cell.task}", *_of_cell(record, cell.scenario, cell.task)]
        + ([number(cell.reachable_auc)] if cell.reachable_auc is not None else [])
        for cell in record.data.cells
    ]
    return table(
        ["cell", *(arm.name for arm in record.arms), *(["reachable"] if is_known else [])], rows
    )


def _of_cell(record: StudyRecord, scenario: str, task: str) -> Iterator[str]:
    for arm in record.arms:
        cells = [cell for run in chosen_of(arm).runs for cell in run.test_cells or ()]
        aucs = [
            cell.auc
            for cell in cells
            if (cell.scenario, cell.task) == (scenario, task) and cell.auc is not None
        ]
        yield spread(aucs) if aucs else "–"


if __name__ == "__main__":
    stored = hinet_search.load(sys.argv[1])
    if any(not any(finalist.chosen for finalist in arm.finalists) for arm in stored.arms):
        sys.exit(f"{stored.name} has no chosen finalists yet: it is {stored.state}")
    parts = [arms_table, contrasts_table, reference_table, cells_table]
    if stored.students or stored.ensembles:
        parts.insert(1, taught_table)
    print("\n\n".join("\n".join(part(stored)) for part in parts))
