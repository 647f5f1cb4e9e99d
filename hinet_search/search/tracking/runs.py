"""Runs: a stored study as the runs that a tracker shows.

The study is the outermost run. In it are arms and ensembles, in an arm its trials and the seeds of
its finalists, which have the names of their jobs (`hinet/12`, `hinet/12 seed 1`).
"""

from collections.abc import Iterator, Mapping, Sequence

from hinet_search.results.ensemble_records import EnsembleRecord
from hinet_search.results.records import (
    ArmRecord,
    CellValue,
    Cost,
    EvaluationRecord,
    FinalistRecord,
    FinalistRun,
    TrialRecord,
)
from hinet_search.results.study_record import StudyRecord
from hinet_search.trackers import Point, RunState, TrackedRun

MOST_CELLS = 30  # more would hide the other metrics of a run
TRIAL_STATES: Mapping[str, RunState] = {
    "complete": "complete",
    "pruned": "pruned",
    "failed": "failed",
}


def runs_of(record: StudyRecord) -> Iterator[TrackedRun]:
    """Yield the runs of a study, each after the one that it is nested in."""
    yield _study(record)
    for arm in record.arms_and_students:
        yield _arm(record, arm)
        for trial in arm.trials:
            yield _trial(record, arm, trial)
        for finalist in arm.finalists:
            for run in finalist.runs:
                yield _seed(record, arm, finalist, run)
    for ensemble in record.ensembles:
        yield _ensemble(record, ensemble)


def _study(record: StudyRecord) -> TrackedRun:
    state = _state_of(record)
    return TrackedRun(
        path=(record.name,),
        state=state,
        started=record.started,
        finished=_finished(record),
        seconds=record.seconds,
        parameters={
            "objective": record.objective,
            "seed": record.seed,
            "data.source": record.data.source,
            "data.fingerprint": record.data.fingerprint,
        },
        tags={
            "kind": "study",
            "command": record.command,
            **_known({"verdict": record.verdict}),
            **{f"version.{name}": version for name, version in record.versions.items()},
        },
        totals={"trials": float(sum(arm.trials_done for arm in record.arms))},
        updated=record.updated,
        description="\n\n".join(filter(None, (record.verdict, record.description))),
    )


def _arm(record: StudyRecord, arm: ArmRecord) -> TrackedRun:
    state = _state_of(record)
    begun = [trial.started for trial in arm.trials if trial.started]
    totals = {"trials": float(arm.trials_done)}
    values = [trial.value for trial in arm.trials if trial.value is not None]
    if values:
        choose = max if record.maximize else min
        totals[f"best {record.objective}"] = choose(values)
    return TrackedRun(
        path=(record.name, arm.name),
        state=state,
        started=min(begun, default=record.started),
        finished=_finished(record),
        parameters={"model": arm.model, **arm.fixed},
        tags={"kind": "arm", "arm": arm.name, **_known({"student of": arm.student_of})},
        totals=totals,
        updated=record.updated,
    )


def _trial(record: StudyRecord, arm: ArmRecord, trial: TrialRecord) -> TrackedRun:
    left: RunState = "running" if record.state == "running" else "interrupted"
    value = {} if trial.value is None else {f"best {record.objective}": trial.value}
    return TrackedRun(
        path=(record.name, arm.name, f"{arm.name}/{trial.number}"),
        state=TRIAL_STATES.get(trial.state, left),
        started=trial.started,
        finished=trial.finished,
        seconds=trial.evaluations[-1].seconds if trial.evaluations else 0.0,
        parameters=trial.parameters,
        tags={
            "kind": "trial",
            "arm": arm.name,
            "default": str(trial.is_default).lower(),
            "attempt": str(trial.attempt),
            **_known({"cause": trial.cause}),
            **_device(trial.cost),
        },
        points=_points(record, trial.evaluations),
        totals={**value, **_costs(trial.cost)},
        updated=record.updated,
    )


def _seed(
    record: StudyRecord, arm: ArmRecord, finalist: FinalistRecord, run: FinalistRun
) -> TrackedRun:
    name = f"{arm.name}/{finalist.trial_number} seed {run.seed}"
    return TrackedRun(
        path=(record.name, arm.name, name),
        state="complete",
        seconds=run.cost.seconds,
        parameters={**finalist.parameters, "seed": run.seed},
        tags={
            "kind": "finalist",
            "arm": arm.name,
            "default": str(finalist.is_default).lower(),
            "chosen": str(finalist.chosen).lower(),
            **_device(run.cost),
        },
        points=_points(record, run.evaluations),
        totals={
            f"best {record.objective}": run.valid_objective,
            **_costs(run.cost),
            **_cells("valid", run.valid_cells),
            **_cells("test", run.test_cells or ()),
        },
    )


def _ensemble(record: StudyRecord, ensemble: EnsembleRecord) -> TrackedRun:
    return TrackedRun(
        path=(record.name, f"{ensemble.name} of finalists"),  # no arm has such a name
        state="complete",
        parameters={"method": ensemble.method, "scale": ensemble.scale},
        tags={"kind": "ensemble"},
        totals={
            f"best {record.objective}": ensemble.valid_objective,
            "members": float(len(ensemble.members)),
            **_cells("valid", ensemble.valid_cells),
            **_cells("test", ensemble.test_cells or ()),
        },
    )


def _state_of(record: StudyRecord) -> RunState:
    """Return the state of the study, which its arms share."""
    states: Mapping[str, RunState] = {"running": "running", "done": "complete"}
    return states.get(record.state, "interrupted")


def _finished(record: StudyRecord) -> str:
    return "" if record.state == "running" else record.updated


def _points(record: StudyRecord, evaluations: Sequence[EvaluationRecord]) -> tuple[Point, ...]:
    points = []
    for evaluation in evaluations:
        metrics = {
            f"valid/{record.objective}": evaluation.objective,
            "train/loss": evaluation.train_loss,
            "passes": evaluation.passes,
        }
        points.append(Point(evaluation.step, evaluation.seconds, metrics))
    return tuple(points)


def _costs(cost: Cost | None) -> Mapping[str, float]:
    if cost is None:
        return {}
    figures = {
        "cost/parameters": cost.parameters,
        "cost/dense_parameters": cost.dense_parameters,
        "cost/flops_per_row": cost.flops_per_row,
        "cost/rows_per_second": cost.rows_per_second,
        "cost/seconds": cost.seconds,
        "cost/peak_memory_bytes": cost.peak_memory_bytes,
        "cost/milliseconds_per_100_rows": cost.milliseconds_per_100,
    }
    return {name: float(figure) for name, figure in figures.items() if figure is not None}


def _device(cost: Cost | None) -> Mapping[str, str]:
    return {} if cost is None else {"device": cost.device}


def _known(tags: Mapping[str, str]) -> Mapping[str, str]:
    """Leave out tags without a value."""
    return {name: value for name, value in tags.items() if value}


def _cells(split: str, cells: Sequence[CellValue]) -> Mapping[str, float]:
    """Return AUC, errors and what objectives read of each cell; nothing if cells are too many."""
    if len(cells) > MOST_CELLS:
        return {}
    metrics: dict[str, float] = {}
    for cell in cells:
        for metric in ("auc", "rmse", "mae", *cell.further):
            value = cell.value(metric)
            if value is not None:
                metrics[f"{split}/{metric}/{cell.scenario}/{cell.task}"] = value
    return metrics
