"""A study may have an arm that is no torch model: it is checked, sized, timed and described like the others."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from hinet_search import api
from hinet_search.cli import cli
from hinet_search.search.plan import probe
from hinet_search.search.plan.forecast import ArmPlan
from tests.small import STUDY, write_study

BOTH = STUDY.replace("arms: {shared_bottom: , mmoe: }", "arms: {shared_bottom: , trees: }")
FIXED = "fixed: {features.minimum_frequency: 2, train.batch_size: 256, model.max_rounds: 20, model.max_leaf_nodes: 7}\n"


def arm_of_trees(folder: Path) -> ArmPlan:
    planned = api.check(str(write_study(folder, BOTH + FIXED)), output=folder / "out")
    (arm,) = [arm for arm in planned.arms if arm.model == "trees"]
    return arm


def test_what_a_study_fixes_for_all_arms_holds_for_trees_too(tmp_path: Path) -> None:
    tasks, nodes_of_seven_leaves = 2, 13
    assert arm_of_trees(tmp_path).parameters == (tasks * 20 * nodes_of_seven_leaves,) * 3


def test_a_trial_of_trees_is_timed_by_the_first_of_its_rounds_on_some_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([10.0, 13.0, 20.0, 23.0])  # of a draw, and of the default
    monkeypatch.setattr(probe, "_seconds_per_row", lambda *_: 0.0)
    monkeypatch.setattr(probe, "process_time", lambda: next(clock))
    monkeypatch.setattr(probe, "GROWTH_ROWS", 479)  # a fifth of the 2,395 of training
    planned = arm_of_trees(tmp_path)
    assert planned.seconds_per_finalist == pytest.approx(3.0 / 0.1 * 5)
    assert planned.seconds_per_trial == pytest.approx(probe._share_of(2) * 3.0 / 0.1 * 5)


def test_trees_are_described_in_their_own_words() -> None:
    said = CliRunner().invoke(cli, ["describe", "trees"])
    assert said.exit_code == 0
    assert "split by id: user_id, item_id" in said.output
