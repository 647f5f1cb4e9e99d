"""A plan is made of what a launch will do: its spaces, its data, its cut-off of rare ids."""

from pathlib import Path

import pytest

from hinet_search import face
from hinet_search.data import checks
from hinet_search.errors import ConfigurationError, DataError
from hinet_search.search import plan, probe
from hinet_search.search.options import LaunchOptions
from hinet_search.study import Arm
from tests.small import STUDY, write_study

ONE_ARM = STUDY.replace("arms: {shared_bottom: , mmoe: }", "arms: {shared_bottom: }")
ODD = """\
parameters:
  model.released_code: {kind: categorical, choices: [true, false], default: false}
  model.san.top_k: {kind: categorical, choices: [null, 1], default: null}
"""


@pytest.fixture(autouse=True)
def short_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "MOST_STEPS", probe.FEWEST_STEPS)


def test_a_plan_of_models_without_rare_ids_is_timed_on_their_own_ids(tmp_path: Path) -> None:
    path = write_study(tmp_path, ONE_ARM + "fixed: {features.minimum_frequency: 60}\n")
    found = face.check(str(path), output=tmp_path / "out")
    assert found.arms[0].seconds_per_trial > 0
    full = face.check(str(write_study(tmp_path, ONE_ARM, "full")), output=tmp_path / "out")
    assert found.arms[0].parameters[0] < full.arms[0].parameters[0]


def test_a_launch_refuses_embeddings_that_do_not_fit_before_a_study_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "available_memory", lambda: 1000)
    with pytest.raises(DataError, match="embedding"):
        face.ready(str(write_study(tmp_path, ONE_ARM)), LaunchOptions(output=tmp_path / "out"))
    assert not list(tmp_path.rglob("*.sqlite3"))


def test_a_plan_leaves_out_draws_whose_values_do_not_go_together(tmp_path: Path) -> None:
    (tmp_path / "odd.yaml").write_text(ODD)
    text = STUDY.replace("arms: {shared_bottom: , mmoe: }", "arms: {hinet: {space: odd}}\nreference: hinet")
    plan_of_odd = face.check(str(write_study(tmp_path, text)), output=tmp_path / "out")
    assert plan_of_odd.arms[0].parameters[0] > 0


def test_a_limit_below_the_size_of_the_default_is_refused_with_both_numbers(tmp_path: Path) -> None:
    space = "include: [shared_bottom]\nmax_parameters: 3000\n"
    (tmp_path / "tiny.yaml").write_text(space)
    text = ONE_ARM.replace("{shared_bottom: }", "{shared_bottom: {space: tiny}}")
    with pytest.raises(
        ConfigurationError, match=r"must admit the default .* too large: [\d,]+ parameters, max_parameters is 3,000"
    ):
        face.ready(str(write_study(tmp_path, text)), LaunchOptions(output=tmp_path / "out"))


def test_all_arms_share_the_seconds_of_a_probe_and_the_largest_sets_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, float]] = []

    def found(arm: Arm, dataset: object, device: object, seconds: float) -> probe.Probed:
        asked.append((arm.name, seconds))
        return probe.Probed(2.0, 1000 * len(asked))

    monkeypatch.setattr(plan, "probe", found)
    planned = face.check(str(write_study(tmp_path)), output=tmp_path / "out")
    assert asked == [("shared_bottom", 10.0), ("mmoe", 10.0)]
    slots, trials, runs_of_finalists = 2, 3, (1 + 1) * 2
    assert planned.seconds == 2.0 * 2 * (trials + runs_of_finalists) / slots
    assert planned.memory_bytes == slots * 2000
