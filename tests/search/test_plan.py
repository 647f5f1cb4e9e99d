"""A plan is made of what a launch will do: its spaces, its data, its cut-off of rare ids."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from hinet_search import face
from hinet_search.config import TrialConfig
from hinet_search.data import checks
from hinet_search.errors import ConfigurationError, DataError
from hinet_search.records import CellCount, DataRecord
from hinet_search.schema import Schema
from hinet_search.search import plan, probe
from hinet_search.search.admission import default_of
from hinet_search.search.options import LaunchOptions
from hinet_search.sizing import num_parameters
from hinet_search.study import load_study
from tests.search.studies import DATA
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


def test_a_launch_refuses_a_model_that_does_not_fit_before_a_study_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "available_memory", lambda: 1000)
    with pytest.raises(DataError, match=r"small.yaml:\d+:\d+: [\d,]+ parameters of the default"):
        face.ready(str(write_study(tmp_path, ONE_ARM)), LaunchOptions(output=tmp_path / "out"))
    assert not list(tmp_path.rglob("*.sqlite3"))


def test_the_embeddings_of_every_cell_count_where_a_model_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_study(tmp_path, ONE_ARM.replace("shared_bottom", "single"))
    ready = face.ready(str(path), LaunchOptions(output=tmp_path / "out"))
    config = default_of(ready.study.arms[0])
    needed = num_parameters(config, config.features.schema_of(ready.dataset)) * checks.BYTES_PER_WEIGHT * checks.COPIES
    monkeypatch.setattr(checks, "available_memory", lambda: needed - 1)
    with pytest.raises(DataError, match="must fit into"):
        face.ready(str(path), LaunchOptions(output=tmp_path / "out"))


@dataclass(frozen=True)
class Counted:
    """What a check of the objective reads of a data set."""

    record: DataRecord
    full_schema: Schema


CELLS = (
    CellCount("Home", "order", (500, 120, 110), (50, 12, 11)),
    CellCount("Push", "order", (500, 0, 90), (50, 0, 0)),
    CellCount("Cart", "order", (500, 90, 90), (50, 9, 90)),
)
COUNTED = Counted(
    replace(DATA, cells=CELLS), Schema(tuple(one.scenario for one in CELLS), ("order",), ("user_id",), (10,), ())
)


@pytest.mark.parametrize(
    ("objective", "problems"),
    [
        (
            "auc[Push/order]",
            [
                "needs both classes in valid, got 0 positives of 0 rows",
                "needs both classes in test, got 0 positives of 90 rows",
            ],
        ),
        ("logloss[Push/order]", ["needs rows in valid, got 0 positives of 0 rows"]),
        ("auc[Cart/order]", ["needs both classes in test, got 90 positives of 90 rows"]),
    ],
)
def test_an_objective_of_a_cell_that_gives_it_no_value_is_refused(
    tmp_path: Path, objective: str, problems: list[str]
) -> None:
    path = write_study(tmp_path, STUDY + f'objective: "{objective}"\n')
    with pytest.raises(ConfigurationError) as caught:
        plan._check_objective(load_study(str(path)), COUNTED)
    place = f"{path}:{len(STUDY.splitlines()) + 1}:1: objective {objective}"
    assert list(caught.value.problems) == [f"{place} {problem}" for problem in problems]


@pytest.mark.parametrize("objective", ["mean_auc", "auc[Home/order]", "logloss[Home/order]", "logloss[Cart/order]"])
def test_an_objective_that_has_a_value_is_admitted(tmp_path: Path, objective: str) -> None:
    plan._check_objective(load_study(str(write_study(tmp_path, STUDY + f'objective: "{objective}"\n'))), COUNTED)


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
    ) as caught:
        face.ready(str(write_study(tmp_path, text)), LaunchOptions(output=tmp_path / "out"))
    own_space = r"give it a space of its own with 'include: \[tiny\]' and 'max_parameters: \d+'"
    assert re.search(
        rf"; (?:[\d,]+ are of embeddings: raise data.minimum_frequency, or )?{own_space}$", str(caught.value)
    )


def test_arms_share_the_seconds_of_a_probe_and_the_largest_model_sets_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, float]] = []

    def found(config: TrialConfig, dataset: object, device: object, seconds: float) -> probe.Probed:
        asked.append((config.model_name, seconds))
        return probe.Probed(2.0, 4.0 * len(asked), 1000 * len(asked))

    monkeypatch.setattr(plan, "probe", found)
    planned = face.check(str(write_study(tmp_path)), output=tmp_path / "out")
    assert asked == [("shared_bottom", 5.0)] * 2 + [("mmoe", 5.0)] * 2
    assert planned.memory_bytes == planned.ready.slots * 4000


def test_the_time_of_a_study_is_that_of_its_trials_and_finalists_and_of_what_comes_before_and_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    default = iter([False, True, False, True])
    monkeypatch.setattr(plan, "probe", lambda *_: probe.Probed(2.0, 8.0 if next(default) else 4.0, 0))
    planned = face.check(str(write_study(tmp_path)), output=tmp_path / "out")
    arms, slots, trials, seeds = 2, 2, 3, 2
    finalists = seeds * (4.0 + 8.0)  # the best draw and the default
    jobs = plan.JOB_SECONDS * arms * (trials + 2 * seeds)
    assert planned.seconds == pytest.approx(plan.FIXED_SECONDS + (arms * (trials * 2.0 + finalists) + jobs) / slots)


def test_a_trial_gives_up_a_share_of_the_passes_after_the_first() -> None:
    assert [probe._share_of(passes) for passes in (0.5, 1.0, 4.0)] == [1.0, 1.0, pytest.approx(3.1 / 4)]


def test_a_finalist_takes_longer_than_a_trial_for_it_is_measured_and_opened_too(tmp_path: Path) -> None:
    (arm,) = face.check(str(write_study(tmp_path, ONE_ARM)), output=tmp_path / "out").arms
    assert arm.seconds_per_finalist > arm.seconds_per_trial
