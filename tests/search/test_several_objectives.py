"""An arm that is searched for several objectives: what it draws, prunes, learns and goes on with."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from optuna.trial import TrialState

from hinet_search.results.objectives import Objective
from hinet_search.results.records import CellValue, EvaluationRecord
from hinet_search.results.trade_offs import Objectives
from hinet_search.search.arm_search import ArmSearch
from hinet_search.search.phases.finalists import candidates_of
from hinet_search.storage.engine import Database
from hinet_search.study.study_spec import FinalistSpec
from tests.search import studies
from tests.search.arms import Begin

TRADED = ("latency_ms", "worst_auc")
pytestmark = pytest.mark.usefixtures("as_shipped")


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """Start or resume the arm in the same folder."""
    opened: list[Database] = []

    def begin(others: tuple[str, ...] = TRADED, **values: object) -> ArmSearch:
        database, store = studies.store(tmp_path)
        opened.append(database)
        spec = studies.spec(objectives=("mean_auc", *others), **values)
        objectives = Objectives(Objective("mean_auc"), others)
        arm = studies.arm(tmp_path)
        return ArmSearch(arm, spec, objectives, store, studies.admits)

    yield begin
    for database in opened:
        database.close()


def evaluation(step: int, value: float, worst: float = 0.5) -> EvaluationRecord:
    cells = (
        CellValue("home", "click", rows=5, positives=2, auc=2 * value - worst, logloss=0.5),
        CellValue("push", "click", rows=5, positives=2, auc=worst, logloss=0.5),
    )
    return EvaluationRecord(step, step / 4, value, 0.5, 1.0, cells)


def train(
    search: ArmSearch, value: float, milliseconds: float, worst: float = 0.5, *, steps: int = 1
) -> tuple[int, bool]:
    """Train the next trial; return its number, and whether it was pruned."""
    asked = search.ask()
    assert asked is not None
    cost = replace(studies.COST, milliseconds_per_100=milliseconds)
    search.measured(asked.number, cost)
    pruned = False
    for step in range(1, steps + 1):
        pruned = search.on_evaluation(asked.number, evaluation(step, value, worst)) or pruned
    state = TrialState.PRUNED if pruned else TrialState.COMPLETE
    search.finish(asked.number, state, None if pruned else value, cost, "")
    return asked.number, pruned


@pytest.mark.parametrize("sampler", ["tpe", "random", "gp"])
def test_every_sampler_draws_after_complete_pruned_and_failed_trials(
    begin: Begin, sampler: str, recwarn: pytest.WarningsRecorder
) -> None:
    search = begin(
        sampler={"kind": sampler, "startup_trials": 2},
        pruner={"after_epochs": 0.0, "startup_trials": 1},
        trials=9,
    )
    train(search, 0.7, 2.0)
    assert train(search, 0.6, 3.0, 0.4) == (1, True)
    for cause in ("diverged: the loss is nan", "ValueError: no"):
        search.finish(search.ask().number, TrialState.FAIL, None, None, cause)
    rates = {search.ask().drawn["train.learning_rate"] for _ in range(4)}
    assert len(rates) == 4
    assert search.progress().failed == 2
    assert not [each for each in recwarn if "onstraint" in str(each.message)]


def test_samplers_see_all_values_a_pruned_trial_too_and_keep_away_from_what_diverged(
    begin: Begin,
) -> None:
    search = begin(pruner={"after_epochs": 0.0, "startup_trials": 1}, trials=9)
    train(search, 0.7, 2.0, 0.6)
    train(search, 0.6, 3.0, 0.4)
    search.finish(search.ask().number, TrialState.FAIL, None, None, "diverged: the loss is nan")
    search.finish(search.ask().number, TrialState.FAIL, None, None, "ValueError: no")
    expected = [
        (TrialState.COMPLETE, [0.7, 2.0, 0.6], {}),
        (TrialState.COMPLETE, [0.6, 3.0, 0.4], {}),
        (TrialState.PRUNED, None, {"trains": 1.0}),
        (TrialState.FAIL, None, {}),
    ]
    for each in (search, begin(trials=9)):  # the second is resumed from the database
        trials = each._memory._study.trials
        assert [(trial.state, trial.values, trial.constraints) for trial in trials] == expected
    states = [row.state for row in search._store.trials("hinet")]
    assert states == ["complete", "pruned", "failed", "failed"]


def test_a_best_value_whose_step_an_earlier_one_had_takes_the_cells_of_that(begin: Begin) -> None:
    search = begin(("worst_auc",))
    asked = search.ask()
    search.on_evaluation(asked.number, evaluation(1, 0.6, 0.4))
    search.on_evaluation(asked.number, evaluation(2, 0.69, 0.5))
    search.on_evaluation(asked.number, replace(evaluation(3, 0.7, 0.65), epochs=0.5))
    search.finish(asked.number, TrialState.COMPLETE, 0.7, studies.COST, "")
    assert search._memory._study.trials[0].values == [0.7, 0.5]
    assert begin(("worst_auc",))._memory._study.trials[0].values == [0.7, 0.5]


def test_a_trial_without_a_measured_time_teaches_nothing(begin: Begin) -> None:
    search = begin(("latency_ms",))
    asked = search.ask()
    search.on_evaluation(asked.number, evaluation(1, 0.7))
    search.finish(asked.number, TrialState.COMPLETE, 0.7, studies.COST, "")
    assert search._memory._study.trials[0].state == TrialState.FAIL
    assert [row.number for row in search.best_trials(3)] == [0]


def test_a_worse_trial_is_pruned_unless_it_is_faster_or_better_in_its_worst_cell(
    begin: Begin,
) -> None:
    search = begin(pruner={"after_epochs": 0.0, "startup_trials": 1}, trials=9)
    train(search, 0.7, 2.0, 0.6)
    assert not train(search, 0.6, 1.0, 0.6)[1]
    assert not train(search, 0.68, 5.0, 0.65)[1]
    assert train(search, 0.6, 2.0, 0.6)[1]


def test_a_resumed_search_prunes_by_the_stored_trials(begin: Begin) -> None:
    how = {"pruner": {"after_epochs": 0.0, "startup_trials": 1}, "trials": 9}
    train(begin(**how), 0.7, 2.0, 0.6)
    search = begin(**how)
    assert not train(search, 0.6, 1.0, 0.6)[1]
    assert train(search, 0.6, 2.0, 0.6)[1]


def test_finalists_are_the_best_and_those_that_trade_most(begin: Begin) -> None:
    search = begin(("latency_ms",), pruner="none", trials=9)
    for value, milliseconds in [(0.60, 9), (0.70, 8), (0.699, 7.9), (0.69, 2), (0.55, 1), (0.6, 6)]:
        train(search, value, milliseconds)
    assert [row.number for row in search.best_trials(2)] == [1, 3]
    assert [row.number for row in begin(("latency_ms",), trials=9).best_trials(2)] == [1, 3]
    assert search.complete_trials()[0].number == 1
    spec = FinalistSpec(top=2, default=False)
    assert [each.trial_number for each in candidates_of([search], spec)] == [1, 3]


def test_importances_are_those_of_the_first_objective(begin: Begin) -> None:
    search = begin(("latency_ms",), pruner="none", trials=9)
    for value in (0.6, 0.61, 0.65, 0.7):
        train(search, value, 2.0)
    assert search.importances() == {"train.learning_rate": 1.0}
