"""Synthetic studies: frozen records with seeded random numbers."""

import re
from dataclasses import replace

from hinet_search.results.data_record import CellCount, DataRecord
from hinet_search.results.records import ParameterRange, Start, TrialRecord
from hinet_search.results.study_record import Budget, PairedRun, StudyRecord
from tests.report.arms import RANGES, Shape, made_up_arm

INJECTION = "</script><script>window.P=1</script><img src=x onerror=window.P=1>"
SEVEN_ARMS = Shape()


def plain(html: str) -> str:
    """Return the text of a piece of HTML, on one line."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)).strip()


def study(shape: Shape = SEVEN_ARMS, **changes: object) -> StudyRecord:
    """Return a finished study of that shape; `changes` replace fields of the record."""
    of_any_arm = replace(shape, arms=())  # an arm does not depend on the others
    arms = tuple(made_up_arm(of_any_arm, name, index) for index, name in enumerate(shape.arms))
    record = StudyRecord(
        name="shop",
        description="",
        state="done",
        objective=shape.objective,
        maximize=not shape.objective.startswith("logloss"),
        sampler="tpe",
        pruner="median",
        seed=1,
        slots=4,
        budget=Budget(shape.trials, 4.0, shape.seeds, 3, cost_limit=2.0),
        data=_data(shape),
        arms=arms,
        study_yaml="name: shop\ndata: shop.yaml\nobjective: mean_auc\narms: [hinet, ple]\n",
        command="hinet-search launch studies/shop.yaml",
        versions={
            "hinet-search": "0.1.0",
            "python": "3.11.2",
            "torch": "2.13.0",
            "optuna": "5.0.0",
        },
        test_accesses=len(arms) if shape.opened and shape.finalists else 0,
        started="2026-11-14T11:21:07Z",
        updated="2026-11-14T18:02:11Z",
        seconds=24_060.0,
    )
    return replace(record, **changes)  # type: ignore[arg-type]  # names and types are the caller's


def small() -> StudyRecord:
    """Three arms, two scenarios, one task, three seeds; one failed and some pruned trials."""
    return study(
        Shape(
            arms=("single", "ple", "hinet"),
            scenarios=("Home", "Push"),
            tasks=("click",),
            trials=8,
            seeds=3,
        )
    )


def empty() -> StudyRecord:
    """A study without a trial."""
    record = study(Shape(trials=12), state="running")
    arms = tuple(replace(arm, trials=(), finalists=(), importances={}) for arm in record.arms)
    return replace(record, arms=arms, test_accesses=0, seconds=0.0)


def failed_only() -> StudyRecord:
    """Every trial failed."""
    record = empty()
    trial = TrialRecord(
        0, "failed", None, {}, True, "out of memory at batch 8192\nTraceback", (), None
    )
    return replace(
        record, state="done", arms=tuple(replace(arm, trials=(trial,)) for arm in record.arms)
    )


def hostile() -> StudyRecord:
    """A study in which every text that a user can choose tries to run a script."""
    shape = Shape(
        arms=("single", INJECTION, "hinet"),
        scenarios=(INJECTION, "b"),
        tasks=(INJECTION,),
        trials=8,
        seeds=2,
    )
    record = study(
        shape, name=INJECTION, description=INJECTION, study_yaml=INJECTION, command=INJECTION
    )
    ranges = (
        *RANGES,
        ParameterRange(
            INJECTION, "categorical", None, None, False, (INJECTION,), INJECTION, when=INJECTION
        ),
    )
    trial = TrialRecord(99, "failed", None, {INJECTION: INJECTION}, False, INJECTION, (), None)
    data = replace(
        record.data,
        source=INJECTION,
        fingerprint=INJECTION,
        split=INJECTION,
        warnings=(INJECTION,),
        groups={INJECTION: 1},
    )
    runs = (PairedRun(INJECTION, (), 1, 0.7), PairedRun(INJECTION, (INJECTION,), 1, 0.7))
    arms = tuple(
        replace(
            arm,
            ranges=ranges,
            trials=(*arm.trials, trial),
            importances={INJECTION: 1.0},
            fixed={INJECTION: INJECTION},
            starts=(Start({INJECTION: INJECTION}, INJECTION, INJECTION),),
        )
        for arm in record.arms
    )
    return replace(
        record,
        data=data,
        arms=arms,
        paired_runs=runs,
        versions={INJECTION: INJECTION},
        sampler=INJECTION,
        pruner=INJECTION,
    )


def _data(shape: Shape) -> DataRecord:
    cells = tuple(
        CellCount(
            scenario,
            task,
            (80_000 >> i, 9_100 >> i, 41_200 >> i),
            (4_000 >> i, 420 >> i, (2_100 >> i) >> (4 * j)),
        )
        for i, scenario in enumerate(shape.scenarios)
        for j, task in enumerate(shape.tasks)
    )
    return DataRecord(
        source="shop.parquet",
        fingerprint="3f9a1c",
        split="time: valid from 2026-11-01, test from 2026-11-08",
        rows=(155_000, 17_600, 79_800),
        scenarios=shape.scenarios,
        tasks=shape.tasks,
        num_categorical=17,
        num_numeric=6,
        cells=cells,
    )
