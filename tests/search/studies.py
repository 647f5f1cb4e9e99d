"""Small studies for tests of the search: a store on SQLite, arms with tiny spaces."""

from pathlib import Path

from hinet_search.results.data_record import CellCount, DataRecord
from hinet_search.results.records import ArmRecord, CellValue, Cost, EvaluationRecord
from hinet_search.results.study_record import Budget
from hinet_search.storage.engine import Database, connect
from hinet_search.storage.row_mapping import StudyRow
from hinet_search.storage.store import StudyStore
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.load_study import Arm
from hinet_search.study.search_space import SearchSpace, load_space
from hinet_search.study.study_spec import ArmSpec, StudySpec

DEFINITION = DataDefinition.model_validate(
    {
        "source": {"kind": "synthetic"},
        "scenario": {"column": "scenario"},
        "tasks": {"click": {"column": "click"}},
        "features": {"categorical": ["user_id"]},
        "split": {"by": "random"},
    }
)
CELL = CellCount("home", "click", (10, 5, 5), (2, 1, 1))
DATA = DataRecord(
    "synthetic", "f00d", "random rows", (10, 5, 5), ("home",), ("click",), 1, 0, (CELL,)
)
COST = Cost(100, 10, 20, 1e4, 1.0, 1, "cpu")
WIDE = "parameters:\n  train.learning_rate: {kind: float, low: 1.0e-4, high: 1.0e-2, log: true, default: 1.0e-3}\n"
TWO = "parameters:\n  model.embedding_dim: {kind: categorical, choices: [1, 2], default: 1}\n"


def admits(arm: object, config: object) -> str:
    """Refuse no draw."""
    return ""


def space(folder: Path, text: str) -> SearchSpace:
    """A space from text."""
    path = folder / "tiny.yaml"
    path.write_text(text)
    return load_space(str(path))


def spec(**values: object) -> StudySpec:
    """A specification with one arm."""
    return StudySpec.model_validate(
        {"data": DEFINITION, "arms": {"hinet": ArmSpec()}, "trials": 5, **values}
    )


def arm(folder: Path, text: str = WIDE) -> Arm:
    """An arm with the space in `text`."""
    return Arm("hinet", "hinet", space(folder, text), "study.yaml:1")


def store(folder: Path) -> tuple[Database, StudyStore]:
    """A created study `tiny` with one arm, in a new database."""
    database = connect(str(folder / "studies.sqlite3"), create=True)
    tiny = StudyStore(database, "tiny")
    if tiny.load_study() is None:
        budget = Budget(trials=5, epochs=4.0, finalist_seeds=2, finalist_top=1)
        row = StudyRow(
            name="tiny",
            uuid="u",
            state="running",
            spec_json="{}",
            study_yaml="",
            command="",
            description="",
            objective="mean_auc",
            maximize=True,
            sampler="tpe",
            pruner="median",
            seed=0,
            slots=1,
            budget=budget,
            data=DATA,
            versions={},
            started="2026-01-01T00:00:00+00:00",
            updated="2026-01-01T00:00:00+00:00",
        )
        tiny.create_study(row, [ArmRecord("hinet", "hinet", (), {}, (), (), {})])
    return database, tiny


def evaluation(step: int, value: float) -> EvaluationRecord:
    """One evaluation with that objective value."""
    cell = CellValue("home", "click", rows=5, positives=2, auc=value, logloss=0.5)
    return EvaluationRecord(step, step / 4, value, 0.5, 1.0, (cell,))
