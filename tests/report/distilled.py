"""Synthetic students and ensembles, added to a synthetic study."""

from collections.abc import Sequence
from dataclasses import replace

from hinet_search.results.ensemble_records import (
    ENSEMBLE,
    TEACHER,
    EnsembleRecord,
    EnsembleSize,
    Member,
    RunKey,
    SelectionGain,
)
from hinet_search.results.finalist_values import chosen, headline, values_by
from hinet_search.results.objectives import objective_named
from hinet_search.results.records import (
    ArmRecord,
    CellValue,
    FinalistRun,
    ParameterRange,
    ServingLimits,
)
from hinet_search.results.study_record import StudyRecord
from tests.report.edits import each_run
from tests.report.nine_arms import few_rows

OF_TEACHER = (
    ParameterRange("train.teacher_weight", "float", 0.3, 1.0, False, (), 0.9),
    ParameterRange("train.teacher_temperature", "float", 1.0, 4.0, True, (), 1.0),
)
DRAWN = {"train.teacher_weight": 0.7, "train.teacher_temperature": 1.5}


def distilled(record: StudyRecord | None = None) -> StudyRecord:
    """Teach STAR and HiNet of nine arms by the mean of all runs, select an ensemble, and set limits.

    It is too slow for them.
    """
    record = with_student(record or few_rows(), "star", valid=0.009, test=0.007)
    record = with_ensemble(with_student(record, "hinet", valid=0.001, test=0.0012), name=TEACHER)
    members = all_runs(record, "trees", "hinet", "distilled_star")[::5]
    return with_limits(with_ensemble(record, members=members), milliseconds=5.0)


def with_student(
    record: StudyRecord, arm: str, valid: float = 0.0, test: float = 0.0
) -> StudyRecord:
    """Add a student of an arm: by this much better on validation and on test, for every seed."""
    before = next(each for each in record.arms if each.name == arm)
    finalist = chosen(before)
    assert finalist is not None
    runs = tuple(_shifted(record, run, valid, test) for run in finalist.runs)
    resampled = finalist.summary and replace(
        finalist.summary,
        resampled=replace(
            finalist.summary.resampled,
            headline=tuple(
                value + _signed(record, test) for value in finalist.summary.resampled.headline
            ),
        ),
    )
    learnt = replace(finalist, parameters=DRAWN, is_default=False, runs=runs, summary=resampled)
    student = replace(
        before,
        name=f"distilled_{arm}",
        ranges=OF_TEACHER,
        fixed=finalist.parameters,
        trials=tuple(replace(trial, parameters=DRAWN) for trial in before.trials[:6]),
        finalists=(learnt,),
        importances=dict.fromkeys(DRAWN, 0.5),
        size_of="",
        student_of=f"{arm}/{finalist.trial_number}",
    )
    budget = replace(record.budget, student_trials=len(student.trials))
    return replace(
        record,
        students=(*record.students, student),
        budget=budget,
        test_accesses=record.test_accesses + (runs[0].test_cells is not None),
    )


def _signed(record: StudyRecord, gain: float) -> float:
    return gain if record.maximize else -gain


def _shifted(record: StudyRecord, run: FinalistRun, valid: float, test: float) -> FinalistRun:
    return replace(
        run,
        valid_objective=run.valid_objective + _signed(record, valid),
        valid_cells=_better(run.valid_cells, valid),
        test_cells=run.test_cells and _better(run.test_cells, test),
    )


def _better(cells: Sequence[CellValue], gain: float) -> tuple[CellValue, ...]:
    return tuple(
        replace(
            cell,
            auc=None if cell.auc is None else cell.auc + gain,
            logloss=None if cell.logloss is None else cell.logloss - gain,
        )
        for cell in cells
    )


def all_runs(record: StudyRecord, *names: str) -> tuple[RunKey, ...]:
    """Return every finalist run of the named arms and students, or of all."""
    return tuple(
        RunKey(arm.name, finalist.trial_number, run.seed)
        for arm in (*record.arms, *record.students)
        if not names or arm.name in names
        for finalist in arm.finalists
        for run in finalist.runs
    )


def with_ensemble(
    record: StudyRecord,
    gain: float = 0.004,
    name: str = ENSEMBLE,
    members: Sequence[RunKey] = (),
    **changes: object,
) -> StudyRecord:
    """Add the mean of all runs, or of `members`: better than the best run by `gain` in each cell.

    `changes` replace fields of the ensemble.
    """
    pool = (
        all_runs(record, *(arm.name for arm in record.arms))
        if name == TEACHER
        else all_runs(record)
    )
    kept = tuple(members) or pool
    best = _best_run(record)
    cells = _better(best.valid_cells, gain)
    value = objective_named(record.objective)(cells)
    ensemble = EnsembleRecord(
        name,
        pool,
        tuple(Member(run, 1 / len(kept)) for run in kept),
        "mean" if len(kept) == len(pool) else "selected",
        "probabilities",
        valid_objective=value,
        valid_cells=cells,
        gain=_selection(record, value, is_mean=len(kept) == len(pool)),
        sizes=_sizes(record, kept, value),
    )
    if name != TEACHER and best.test_cells is not None:
        ensemble = _opened(record, ensemble, _better(best.test_cells, gain))
    ensemble = replace(ensemble, **changes)  # type: ignore[arg-type]  # types are the caller's
    return replace(
        record,
        ensembles=(*record.ensembles, ensemble),
        test_accesses=record.test_accesses + (ensemble.test_cells is not None),
    )


def _best_run(record: StudyRecord) -> FinalistRun:
    pick = max if record.maximize else min
    finalists = [chosen(arm) for arm in (*record.arms, *record.students)]
    runs = [finalist.runs[0] for finalist in finalists if finalist is not None]
    return pick(runs, key=lambda run: run.valid_objective)


def _selection(record: StudyRecord, value: float, *, is_mean: bool) -> SelectionGain:
    if is_mean:
        return SelectionGain(0.0001, -0.0004, 0.0006, value, value + _signed(record, 0.0001))
    return SelectionGain(
        0.0012, 0.0004, 0.0020, value - _signed(record, 0.0020), value - _signed(record, 0.0008)
    )


def _sizes(record: StudyRecord, runs: Sequence[RunKey], value: float) -> tuple[EnsembleSize, ...]:
    """Return ensembles of 1 to 8 runs, whose values approach that of all."""
    return tuple(
        EnsembleSize(
            tuple(runs[:size]),
            value - _signed(record, 0.006 / size - 0.0005),
            value - _signed(record, 0.006 / size),
        )
        for size in range(1, min(8, len(runs)) + 1)
    )


def _opened(
    record: StudyRecord, ensemble: EnsembleRecord, cells: tuple[CellValue, ...]
) -> EnsembleRecord:
    summaries = [finalist.summary for finalist in map(chosen, record.arms) if finalist]
    drawn = next((summary.resampled for summary in summaries if summary is not None), None)
    if drawn is None:
        return replace(ensemble, test_cells=cells)
    value = values_by(headline(record.objective))(cells) or 0.0
    around = [value + (-1) ** place * 0.0005 for place in range(len(drawn.headline))]
    resampled = replace(drawn, headline=tuple(around), cells=())
    return replace(ensemble, test_cells=cells, resampled=resampled)


def with_limits(
    record: StudyRecord, flops: float | None = None, milliseconds: float | None = None
) -> StudyRecord:
    """Set serving limits."""
    return replace(
        record, budget=replace(record.budget, serving=ServingLimits(milliseconds, flops))
    )


def with_costs(record: StudyRecord, **costs: tuple[int, float | None]) -> StudyRecord:
    """Set (FLOPs, milliseconds for 100 rows) of all finalists of the named arms and students."""

    def changed(arm: ArmRecord) -> ArmRecord:
        if arm.name not in costs:
            return arm
        flops, milliseconds = costs[arm.name]
        priced = {"flops_per_row": flops, "milliseconds_per_100": milliseconds}
        return each_run(arm, lambda run: replace(run, cost=replace(run.cost, **priced)))  # type: ignore[arg-type]

    return replace(
        record, arms=tuple(map(changed, record.arms)), students=tuple(map(changed, record.students))
    )
