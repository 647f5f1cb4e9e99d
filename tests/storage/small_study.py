"""A small study as rows, and a way to run its trials, for the tests of storage and dashboard."""

import random
from dataclasses import replace
from pathlib import Path

import optuna
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState

from hinet_search.results.data_record import CellCount, DataRecord
from hinet_search.results.records import (
    ArmRecord,
    CellValue,
    Cost,
    EvaluationRecord,
    FinalistRun,
    GateUsage,
    Insight,
    ParameterRange,
    TrialRecord,
)
from hinet_search.results.study_record import Budget
from hinet_search.storage.engine import Database, connect
from hinet_search.storage.optuna_copy import optuna_name
from hinet_search.storage.row_mapping import StudyRow, utc_now
from hinet_search.storage.store import StudyStore

COST = Cost(
    parameters=1000,
    dense_parameters=200,
    flops_per_row=4000,
    rows_per_second=1e5,
    seconds=1.5,
    peak_memory_bytes=1 << 34,
    device="cpu",
)
DATA = DataRecord(
    source="synthetic",
    fingerprint="abc123",
    split="column split",
    rows=(80, 10, 10),
    scenarios=("home", "feed"),
    tasks=("click",),
    num_categorical=2,
    num_numeric=1,
    cells=(CellCount("home", "click", (40, 5, 5), (4, 1, 1), reachable_auc=0.9),),
    warnings=("feed is small",),
)
RANGE = ParameterRange(
    "train.learning_rate", "float", 3e-4, 5e-3, log=True, choices=(), default=1e-3
)
HINET = ArmRecord(
    "hinet", "hinet", (RANGE,), {"train.epochs": 3, "model.san": True}, (), (), importances={}
)
SINGLE = ArmRecord("single", "single", (), {}, (), (), importances={})


def study_row(name: str = "small", *, maximize: bool = True) -> StudyRow:
    return StudyRow(
        name=name,
        uuid=f"uuid of {name}",
        state="running",
        spec_json="{}",
        study_yaml="name: small\n",
        command="hinet-search launch small",
        description="two arms",
        objective="mean_auc" if maximize else "logloss",
        maximize=maximize,
        sampler="tpe",
        pruner="median",
        seed=2**40,
        slots=2,
        budget=Budget(trials=5, epochs=2.0, finalist_seeds=2, finalist_top=1),
        data=DATA,
        versions={"torch": "2.13"},
        started="2026-01-02T03:04:05+00:00",
        updated="2026-01-02T03:04:05+00:00",
    )


def cells(auc: float = 0.7) -> tuple[CellValue, ...]:
    return (
        CellValue(
            "home",
            "click",
            rows=50,
            positives=5,
            auc=auc,
            logloss=0.3,
            gauc=0.6,
            calibration=1.1,
            ece=0.02,
        ),
        CellValue("feed", "click", rows=9, positives=0, auc=None, logloss=None, reason="one class"),
    )


def evaluation(step: int, objective: float = 0.7) -> EvaluationRecord:
    return EvaluationRecord(
        step, epochs=step / 4, objective=objective, train_loss=0.5, seconds=2.0, cells=cells()
    )


def finalist_run(seed: int, *, opened: bool = False) -> FinalistRun:
    return FinalistRun(
        seed=seed,
        valid_objective=0.71,
        valid_cells=cells(),
        test_cells=cells(0.69) if opened else None,
        evaluations=(evaluation(1), evaluation(2)),
        cost=COST,
        insight=Insight(
            attention=((0.5, 0.5), (0.1, 0.9)),
            gates=(GateUsage("home click", ("a", "b"), (0.3, 0.7)),),
        ),
    )


def new_store(url: str | Path, name: str = "small") -> StudyStore:
    """A store whose study exists with the arms hinet and single."""
    store = StudyStore(connect(str(url), create=True), name)
    store.create_study(study_row(name), (HINET, SINGLE))
    return store


DISTRIBUTIONS = {"train.learning_rate": FloatDistribution(1e-4, 1e-2, log=True)}
WORDS = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}


def copy_arm(store: StudyStore, arm: str, first: int = 0) -> int:
    """Bring Optuna's copy of an arm up to date, as a launch does."""
    return store.copy_to_optuna(arm, DISTRIBUTIONS, first)


def trial_row(number: int, attempt: int = 1, **known: object) -> TrialRecord:
    """A trial that was just drawn, unless more of it is known."""
    drawn = {"train.learning_rate": random.Random(number).uniform(1e-3, 1e-2)}
    row = TrialRecord(
        number=number,
        state="running",
        value=None,
        parameters=drawn,
        is_default=number == 0,
        cause="",
        evaluations=(),
        cost=None,
        started=utc_now(),
        attempt=attempt,
    )
    return replace(row, **known)  # type: ignore[arg-type]  # fields of the row


def run_trial(
    store: StudyStore, arm: str, state: TrialState, value: float | None = None, cause: str = ""
) -> int:
    """Write one trial as a coordinator does, and copy it for Optuna; its number."""
    row = trial_row(len(store.trials(arm)))
    store.record_trial(arm, row)
    if value is not None:
        store.record_evaluation(arm, row.number, 1, evaluation(1, value))
    ended = replace(
        row,
        state=WORDS[state],
        value=value if state is TrialState.COMPLETE else None,
        finished=utc_now(),
        cause=cause,
        cost=None if value is None else COST,
    )
    store.record_trial(arm, ended)
    copy_arm(store, arm)
    return row.number


def optuna_study(store: StudyStore, arm: str) -> optuna.Study:
    """Optuna's study of an arm as its dashboard reads it."""
    return optuna.load_study(
        study_name=optuna_name(store.study, arm), storage=store.database.storage
    )


def small_study(url: str | Path, name: str = "small") -> Database:
    """A study with every kind of trial, finalists, importances and one opening."""
    store = new_store(url, name)
    run_trial(store, "hinet", TrialState.COMPLETE, 0.70)
    run_trial(store, "hinet", TrialState.COMPLETE, 0.75)
    run_trial(store, "hinet", TrialState.PRUNED, 0.60)
    run_trial(store, "hinet", TrialState.PRUNED, cause="duplicate of trial 1")
    run_trial(store, "hinet", TrialState.FAIL, cause="diverged")
    run_trial(store, "single", TrialState.COMPLETE, 0.72)
    for seed in (1, 2):
        store.record_finalist(
            "hinet", 1, {"train.learning_rate": 1e-3}, finalist_run(seed), is_default=False
        )
        store.record_finalist(
            "hinet", 0, {"train.learning_rate": 2e-3}, finalist_run(seed), is_default=True
        )
    store.mark_chosen("hinet", 1)
    store.record_test_access("abc123", "hinet", 1, (1, 2))
    for seed in (1, 2):
        store.set_test_cells("hinet", 1, seed, cells(0.69))
    store.record_importances("hinet", {"train.learning_rate": 1.0})
    store.set_state("done", seconds=12.5)
    return store.database
