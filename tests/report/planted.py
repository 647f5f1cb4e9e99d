"""A study that passes every check of the trust card, and copies of it with one fault each."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from hinet_search.results.data_record import LeakSuspect
from hinet_search.results.ensemble_records import TEACHER
from hinet_search.results.records import (
    ArmRecord,
    FinalistRecord,
    FinalistRun,
    GateUsage,
    TrialRecord,
)
from hinet_search.results.study_record import StudyRecord
from tests.duels import arm_named, with_arm, without_users
from tests.report.arms import Shape
from tests.report.distilled import all_runs, with_ensemble, with_student
from tests.report.edits import each_arm, each_cell, each_finalist, each_run, each_test_cell
from tests.report.measured import with_inputs
from tests.report.studies import study

SCENARIOS = ("Home", "Search", "Push")
SHAPE = Shape(arms=("single", "ple", "hinet"), scenarios=SCENARIOS, tasks=("click",), trials=8)
MIDDLE = {
    "train.learning_rate": 1e-3,
    "model.scenario.num_sub_experts": 3,
    "model.dropout": 0.2,
    "model.embedding_dim": "8",
    "model.san.top_k": 3,
    "model.san.enabled": True,
}
EVEN = ((0.0, 0.6, 0.4), (0.5, 0.0, 0.5), (0.7, 0.3, 0.0))


def clean() -> StudyRecord:
    """Three arms in three scenarios; HiNet gains everywhere. It is distilled, and averaged with PLE.

    Statistics are worth their place among the inputs, lists were dropped, both beyond doubt.
    """
    record = study(SHAPE)
    data = replace(record.data, leaks=())
    record = each_arm(replace(record, data=data), _in_order)
    record = with_inputs(record, {"statistics": 0.03, "lists": -0.004})
    record = with_student(record, "hinet", valid=0.001, test=0.001)
    teacher = with_ensemble(record, name=TEACHER)
    return with_ensemble(teacher, members=all_runs(record, "ple", "distilled_hinet")[:18])


def _in_order(arm: ArmRecord) -> ArmRecord:
    gates = (GateUsage("Home/click", ("shared 1", "specific 1"), (0.6, 0.4)),)

    def of_run(run: FinalistRun) -> FinalistRun:
        further = {"rank_auc": 0.6}
        run = each_cell(run, lambda cell: replace(cell, calibration=1.02, further=further))
        if arm.name != "hinet":
            return run
        return replace(run, insight=replace(run.insight, attention=EVEN, gates=gates))

    def of_finalist(finalist: FinalistRecord) -> FinalistRecord:
        return replace(finalist, parameters={name: MIDDLE[name] for name in finalist.parameters})

    def of_trial(trial: TrialRecord) -> TrialRecord:
        if trial.state != "failed":
            return trial
        return replace(trial, state="complete", value=trial.value or 0.7, cause="")

    arm = replace(arm, trials=tuple(map(of_trial, arm.trials)))
    return each_run(each_finalist(arm, of_finalist), of_run)


def hinet_runs(change: Callable[[FinalistRun], FinalistRun]) -> StudyRecord:
    """Return the clean study with every run of HiNet's finalists changed."""
    return each_arm(clean(), lambda arm: each_run(arm, change), "hinet")


def within(arm: ArmRecord, area: float) -> ArmRecord:
    """Return the arm with this AUC within groups on test, whatever users are drawn."""

    def ranked(finalist: FinalistRecord) -> FinalistRecord:
        summary = finalist.summary
        if summary is None:
            return finalist
        resampled = replace(summary.resampled, within=(area,) * 40)
        return replace(finalist, summary=replace(summary, resampled=resampled))

    def run(run: FinalistRun) -> FinalistRun:
        return each_test_cell(run, lambda cell: replace(cell, further={"rank_auc": area}))

    return each_finalist(each_run(arm, run), ranked)


def hinet_cells(**changes: dict[str, Any]) -> StudyRecord:
    """Return the clean study with fields of HiNet's test cells set by scenario."""
    return hinet_runs(
        lambda run: each_test_cell(
            run, lambda cell: replace(cell, **changes.get(cell.scenario, {}))
        )
    )


def with_data(**changes: Any) -> StudyRecord:
    """Return the clean study with these fields of its data."""
    record = clean()
    return replace(record, data=replace(record.data, **changes))


def with_last_cell(record: StudyRecord, **changes: Any) -> StudyRecord:
    """Return the record with these fields of the count of its last cell, of Push."""
    *cells, last = record.data.cells
    return replace(record, data=replace(record.data, cells=(*cells, replace(last, **changes))))


def _budgets() -> StudyRecord:
    first, *others = (record := clean()).arms
    return replace(record, arms=(replace(first, trials=first.trials[:-1]), *others))


def with_failed(record: StudyRecord, name: str, count: int) -> StudyRecord:
    """Return the record with the last trials of an arm failed."""

    def failed(trial: TrialRecord) -> TrialRecord:
        return replace(trial, state="failed", value=None, cause="out of memory at batch 4096")

    arm = arm_named(record, name)
    trials = (*arm.trials[:-count], *map(failed, arm.trials[-count:]))
    return with_arm(record, replace(arm, trials=trials))


def _range_edges() -> StudyRecord:
    return each_arm(clean(), lambda arm: with_experts(arm, range(1, 9)))


def with_experts(arm: ArmRecord, counts: Iterable[int]) -> ArmRecord:
    """Return the arm with these counts of experts in its trials, worst first, and 8 in finalists."""
    name = "model.scenario.num_sub_experts"
    ordered = sorted(arm.trials, key=lambda trial: trial.value or 0.0)
    trials = [
        replace(trial, parameters={**trial.parameters, name: count})
        for trial, count in zip(ordered, counts, strict=True)
    ]
    arm = replace(arm, trials=tuple(sorted(trials, key=lambda trial: trial.number)))
    return each_finalist(arm, lambda each: replace(each, parameters={**each.parameters, name: 8}))


def with_seeds(record: StudyRecord, count: int) -> StudyRecord:
    """Return the record with only the first seeds of every finalist."""
    return each_arm(
        record, lambda arm: each_finalist(arm, lambda each: replace(each, runs=each.runs[:count]))
    )


def _slow_convergence() -> StudyRecord:
    def rising(run: FinalistRun) -> FinalistRun:
        curve = tuple(
            replace(evaluation, objective=0.7 + 0.002 * evaluation.step)
            for evaluation in run.evaluations
        )
        return replace(run, evaluations=curve)

    return hinet_runs(rising)


def in_layout(layout: str, *, home: tuple[float, ...], push: tuple[float, ...]) -> StudyRecord:
    """HiNet's two gates, over two shared experts and a specific one, have these weights."""
    owners = {
        "per_scenario": (("Home/", "Home/", "Home/click"), ("Push/", "Push/", "Push/click")),
        "global": (("/", "/", "Home/click"), ("/", "/", "Push/click")),
        "shared": (("/", "/", "/click"),) * 2,
    }[layout]
    gates = tuple(
        GateUsage(f"{scenario}/click", ("shared 1", "shared 2", "specific 1"), weights, of)
        for scenario, weights, of in zip(("Home", "Push"), (home, push), owners, strict=True)
    )
    return hinet_runs(lambda run: replace(run, insight=replace(run.insight, gates=gates)))


def _attention() -> StudyRecord:
    def turned(run: FinalistRun) -> FinalistRun:
        first = (0.0, 1.0, 0.0) if run.seed % 2 else (0.0, 0.0, 1.0)
        return replace(run, insight=replace(run.insight, attention=(first, *EVEN[1:])))

    return hinet_runs(turned)


def _copies() -> StudyRecord:
    """Two members of the ensemble are one model; so are two runs outside of it."""
    record = clean()
    ensemble = record.ensembles[-1]
    first, second, *_ = [member.run for member in ensemble.members]
    others = [run for run in ensemble.pool if run.arm == "single"]
    return _with_ensemble_changed(record, copies=((first, second), (others[0], others[1])))


def _selection() -> StudyRecord:
    """On the rows that chose it the selection gains; on others it may not."""
    ensemble = clean().ensembles[-1]
    assert ensemble.gain is not None
    gain = replace(ensemble.gain, estimate=0.0001, low=-0.0003, high=0.0005)
    return _with_ensemble_changed(clean(), gain=gain)


def _with_ensemble_changed(record: StudyRecord, **changes: Any) -> StudyRecord:
    *others, ensemble = record.ensembles
    return replace(record, ensembles=(*others, replace(ensemble, **changes)))


def _distilled_calibration() -> StudyRecord:
    """The student's log loss is 10 % higher than that of its arm."""

    def sharpened(run: FinalistRun) -> FinalistRun:
        return each_cell(run, lambda cell: replace(cell, logloss=1.1 * (cell.logloss or 0.0)))

    record = clean()
    return replace(
        record, students=tuple(each_run(student, sharpened) for student in record.students)
    )


PLANTED = {
    "data": with_data(warnings=("order > click in 14 rows",)),
    "leaks": with_data(leaks=(LeakSuspect("watch_time", "click", 0.987),)),
    "inputs": with_inputs(clean(), {"statistics": 0.03, "matches": 0.0008, "lists": -0.0001}),
    "few_positives": with_last_cell(clean(), positives=(900, 90, 40)),
    "long_tail": with_last_cell(hinet_cells(Push={"auc": 0.70}), rows=(2_000,) * 3),
    "budgets": _budgets(),
    "failed_trials": with_failed(clean(), "ple", 2),
    "range_edges": _range_edges(),
    "seeds": with_seeds(clean(), 3),
    "users": without_users(clean(), "ple"),
    "within_groups": replace(clean(), students=(within(clean().students[0], 0.44),)),
    "row_order": replace(clean(), shared_batches=True),
    "slow_convergence": _slow_convergence(),
    "gates": in_layout("shared", home=(0.02, 0.01, 0.97), push=(0.5, 0.0, 0.5)),
    "attention": _attention(),
    "seesaw": hinet_cells(Search={"auc": 0.70}),
    "calibration": hinet_cells(Push={"calibration": 1.5, "chance": 0.01}),
    "copies": _copies(),
    "selection": _selection(),
    "distilled_calibration": _distilled_calibration(),
    "test_accesses": replace(clean(), test_accesses=9),
}
