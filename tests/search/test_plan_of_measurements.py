"""Trainings that measure what inputs and choices are worth are part of a plan."""

from dataclasses import replace
from pathlib import Path
from statistics import mean

import pytest

from hinet_search import api
from hinet_search.search.plan import forecast, probe
from hinet_search.search.plan.forecast import measuring_arm
from hinet_search.study.launch_options import LaunchOptions
from tests.small import STUDY, write_study

GROUPED = STUDY.replace("numeric_1]", "numeric_1]\n    groups: {a: [numeric_0], b: [numeric_1]}")


@pytest.fixture(autouse=True)
def short_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "MOST_STEPS", probe.FEWEST_STEPS)


def test_trainings_that_measure_inputs_take_the_time_of_finalists_of_their_arm(
    tmp_path: Path,
) -> None:
    without = api.check(str(write_study(tmp_path, GROUPED)), output=tmp_path / "out")
    study = GROUPED + "inputs: {arm: mmoe, seeds: 2}\n"
    planned = api.check(str(write_study(tmp_path, study)), output=tmp_path / "out")
    assert without.trainings.inputs == 0
    assert planned.trainings.inputs == 2 * (1 + 2 + 1)
    assert planned.measuring_arm == "mmoe"
    by_hand = replace(planned, ready=without.ready).seconds
    seconds = 8 * (planned.arms[1].seconds_per_finalist + forecast.JOB_SECONDS)
    assert planned.seconds == pytest.approx(by_hand + seconds / 2)


def test_trainings_that_measure_choices_take_the_time_of_an_average_finalist(
    tmp_path: Path,
) -> None:
    without = api.check(str(write_study(tmp_path, STUDY)), output=tmp_path / "out")
    study = STUDY + "choices: {seeds: 2, most: 3}\n"
    planned = api.check(str(write_study(tmp_path, study)), output=tmp_path / "out")
    assert without.trainings.choices == 0
    assert planned.trainings.choices == 2 * (2 + 3)
    by_hand = replace(planned, ready=without.ready).seconds
    each = mean(arm.seconds_per_finalist for arm in planned.arms) + forecast.JOB_SECONDS
    assert planned.seconds == pytest.approx(by_hand + 10 * each / 2)


def test_a_study_of_one_trial_has_no_choices_to_measure(tmp_path: Path) -> None:
    study = STUDY.replace("trials: 3", "trials: 1") + "choices: auto\n"
    planned = api.check(str(write_study(tmp_path, study)), output=tmp_path / "out")
    assert planned.trainings.choices == 0


@pytest.mark.parametrize(
    ("arms", "inputs", "name"),
    [
        ("{mmoe: , shared_bottom: , trees: }", "auto", "shared_bottom"),
        ("{hinet: , mmoe: , trees: }", "auto", "mmoe"),
        ("{trees: }", "auto", "trees"),
        ("{mmoe: , shared_bottom: , trees: }", "{arm: mmoe}", "mmoe"),
        ("{hinet: , flat_moe: {size_of: hinet}}", "{arm: flat_moe}", "flat_moe"),
    ],
)
def test_inputs_are_measured_by_the_arm_that_is_named_or_a_fast_network(
    arms: str, inputs: str, name: str, tmp_path: Path
) -> None:
    text = GROUPED.replace("{shared_bottom: , mmoe: }", arms) + f"inputs: {inputs}\n"
    text += f"reference: {name}\n"
    ready = api.ready(str(write_study(tmp_path, text)), LaunchOptions(output=tmp_path / "out"))
    arm = measuring_arm(ready.study, ready.dataset)
    assert arm.name == name
    if name == "flat_moe":
        assert "model.dense_parameters" in arm.space.fixed
