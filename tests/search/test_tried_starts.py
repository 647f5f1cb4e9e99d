"""An arm tries its starts after the default, each once, and then searches."""

from dataclasses import replace
from pathlib import Path

import pytest
from optuna.trial import TrialState

from hinet_search.results.objectives import Objective
from hinet_search.results.records import Scalar, Start
from hinet_search.results.trade_offs import Objectives
from hinet_search.search.arm_search import ArmSearch, SizeCheck
from hinet_search.storage.engine import Database
from hinet_search.study.load_study import Arm
from hinet_search.training.trial_config import TrialConfig
from tests.search import studies
from tests.search.arms import complete, record, run_to_the_end

RATE = "train.learning_rate"


class Launches:
    """Launches of one arm with starts in one folder."""

    def __init__(self, folder: Path, opened: list[Database]) -> None:
        self.folder, self.opened = folder, opened

    def begin(
        self,
        *rates: float,
        arm: Arm | None = None,
        trials: int = 5,
        too_large: SizeCheck | None = None,
    ) -> ArmSearch:
        database, store = studies.store(self.folder)
        self.opened.append(database)
        starts = tuple(Start({RATE: rate}, "start") for rate in rates)
        arm = replace(arm or studies.arm(self.folder), starts=starts)
        spec = studies.spec(trials=trials)
        objectives = Objectives(Objective("mean_auc"))
        return ArmSearch(arm, spec, objectives, store, too_large or studies.admits)

    def rows(self) -> list[tuple[Scalar, str]]:
        """Rate and state of every trial, those outside the budget too."""
        return [(trial.parameters.get(RATE), trial.state) for trial in record(self.opened).trials]


@pytest.fixture
def launches(tmp_path: Path, opened: list[Database]) -> Launches:
    return Launches(tmp_path, opened)


def test_starts_are_tried_in_their_order_after_the_default(launches: Launches) -> None:
    drawn = [asked.drawn[RATE] for asked in run_to_the_end(launches.begin(0.003, 0.002))]
    assert drawn[:3] == [0.001, 0.003, 0.002]
    assert len(set(drawn)) == 5
    assert [state for _, state in launches.rows()] == ["complete"] * 5


def test_a_start_that_is_the_default_or_another_start_takes_no_trial(launches: Launches) -> None:
    drawn = [asked.drawn[RATE] for asked in run_to_the_end(launches.begin(0.001, 0.003, 0.003))]
    assert drawn[:2] == [0.001, 0.003]
    assert drawn.count(0.003) == 1
    assert [state for _, state in launches.rows()] == ["complete"] * 5


def test_a_later_launch_goes_on_with_the_starts_that_are_left(launches: Launches) -> None:
    search = launches.begin(0.003, 0.002)
    for _ in range(2):
        asked = search.ask()
        assert asked is not None
        complete(search, asked)
    cut_off = search.ask()
    assert cut_off is not None
    assert cut_off.drawn[RATE] == 0.002
    again = [asked.drawn[RATE] for asked in run_to_the_end(launches.begin(0.003, 0.002, 0.005))]
    assert again[:2] == [0.002, 0.005]
    assert len(again) == 3


def test_a_start_that_failed_is_not_tried_again(launches: Launches) -> None:
    search = launches.begin(0.003)
    for end in (TrialState.COMPLETE, TrialState.FAIL):
        asked = search.ask()
        assert asked is not None
        value = 0.7 if end == TrialState.COMPLETE else None
        search.finish(asked.number, end, value, None, "diverged")
    assert 0.003 not in [asked.drawn[RATE] for asked in run_to_the_end(launches.begin(0.003))]


def test_of_more_starts_than_trials_the_first_are_tried(launches: Launches) -> None:
    search = launches.begin(0.003, 0.002, 0.005, trials=3)
    assert [asked.drawn[RATE] for asked in run_to_the_end(search)] == [0.001, 0.003, 0.002]


def high_rates(arm: Arm, config: TrialConfig) -> str:
    """Refuse rates from 0.005 on."""
    return "too large: a rate" if config.train.learning_rate >= 0.005 else ""


def test_refused_starts_cost_no_trial_and_do_not_end_the_arm(launches: Launches) -> None:
    rates = [0.005 + 0.0001 * number for number in range(30)]
    search = launches.begin(*rates, 0.002, too_large=high_rates)
    drawn = [asked.drawn[RATE] for asked in run_to_the_end(search)]
    assert drawn[:2] == [0.001, 0.002]
    assert len(drawn) == 5
