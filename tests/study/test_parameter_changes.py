"""A study changes defaults, ranges and choices of the parameters that its arms search."""

from pathlib import Path

import pytest

from hinet_search.common.errors import ConfigurationError
from hinet_search.study.load_study import ResolvedStudy, load_study
from hinet_search.study.yaml_file import Override
from tests.study_texts import DATA

STUDY = (
    DATA
    + """\
arms: {mmoe: , shared_bottom: }
parameters:
"""
)


def load(*changes: str, **overrides: object) -> ResolvedStudy:
    Path("s.yaml").write_text(STUDY + "".join(f"  {change}\n" for change in changes))
    return load_study(
        "s.yaml", None, {name: Override(value, "--set") for name, value in overrides.items()}
    )


SIZES = """\
  train.learning_rate: {default: 0.002, high: 0.02}
sizes:
  quick: {parameters: {train.learning_rate: {default: 0.004}, train.batch_size: {default: 2048}}}
  full: {trials: 5}
"""


def at_size(size: str, more: str = "", **overrides: object) -> ResolvedStudy:
    Path("s.yaml").write_text(STUDY + SIZES + more)
    given = {name: Override(value, "--set") for name, value in overrides.items()}
    return load_study("s.yaml", size, given)


def problems(*changes: str, more: str = "") -> tuple[str, ...]:
    Path("s.yaml").write_text(STUDY + "".join(f"  {change}\n" for change in changes) + more)
    with pytest.raises(ConfigurationError) as caught:
        load_study("s.yaml")
    return caught.value.problems


def test_a_change_reaches_every_arm_and_keeps_the_other_keys() -> None:
    for arm in load("train.learning_rate: {default: 0.003, high: 0.02}").arms:
        learning_rate = arm.space.parameters["train.learning_rate"]
        assert (learning_rate.default, learning_rate.bounds) == (0.003, (0.0003, 0.02))
        assert learning_rate.log
        assert arm.space.default()["train.learning_rate"] == 0.003
        assert arm.space.places["train.learning_rate"] == "s.yaml:9:3"


def test_choices_can_be_added_with_a_default_among_them() -> None:
    (arm, _) = load("train.batch_size: {choices: [256, 512], default: 256}").arms
    assert arm.space.parameters["train.batch_size"].bounds == (256, 512)


def test_widths_can_be_changed_by_name() -> None:
    (_, arm) = load("model.trunk.widths: {choices: {narrow: [8]}, default: narrow}").arms
    assert arm.space.values(arm.space.default())["model.trunk.widths"] == (8,)


def test_a_parameter_that_only_some_arms_search_is_changed_in_these() -> None:
    mmoe, shared_bottom = load("model.num_experts: {default: 5}").arms
    assert mmoe.space.default()["model.num_experts"] == 5
    assert "model.num_experts" not in shared_bottom.space.parameters


def test_an_integer_stays_an_integer() -> None:
    (mmoe, _) = load("model.num_experts: {high: 12}").arms
    assert repr(mmoe.space.parameters["model.num_experts"].bounds) == "(2, 12)"


def test_the_command_line_changes_a_key() -> None:
    overrides = {"parameters.train.learning_rate.high": 0.02}
    (arm, _) = load("train.learning_rate: {default: 0.003}", **overrides).arms
    assert arm.space.parameters["train.learning_rate"].bounds == (0.0003, 0.02)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            "train.batch_size: {default: 333}",
            "merged with its space: needs a default among its choices 1024, 2048, 4096, got 333",
        ),
        (
            "train.learning_rat: {default: 0.003}",
            "'train.learning_rat' is searched in no arm; did you mean 'train.learning_rate'?",
        ),
        ("train.patience: {default: 3}", "must be either fixed or searched: train.patience"),
        (
            "train.learning_rate: {}",
            "must have at least one of default, low, high, choices, got none",
        ),
    ],
    ids=["no choice", "searched in no arm", "fixed", "empty"],
)
def test_a_change_that_does_not_fit_is_reported_once_with_its_place(change: str, told: str) -> None:
    (problem,) = problems(change, more="fixed: {train.patience: 1}\n")
    place = "8:1" if "patience" in change else "9:3"
    assert problem.startswith(f"s.yaml:{place}: ")
    assert problem.endswith(told)


def test_a_size_changes_parameters_beside_those_of_the_study() -> None:
    for arm in at_size("quick").arms:
        learning_rate = arm.space.parameters["train.learning_rate"]
        assert (learning_rate.default, learning_rate.bounds) == (0.004, (0.0003, 0.02))
        assert arm.space.default()["train.batch_size"] == 2048
        assert arm.space.places["train.learning_rate"] == "s.yaml:11:24"
    changes = at_size("quick").spec.parameters
    assert {name: change.given for name, change in changes.items()} == {
        "train.learning_rate": {"default": 0.004, "high": 0.02},
        "train.batch_size": {"default": 2048},
    }
    assert at_size("full").arms[0].space.default()["train.learning_rate"] == 0.002


def test_the_command_line_changes_a_key_of_the_size_that_has_it() -> None:
    default = {"parameters.train.learning_rate.default": 0.005}
    for size in ("quick", "full"):
        (arm, _) = at_size(size, **default).arms
        assert arm.space.default()["train.learning_rate"] == 0.005
    (arm, _) = at_size("quick", **{"parameters.train.learning_rate.high": 0.03}).arms
    assert arm.space.parameters["train.learning_rate"].bounds == (0.0003, 0.03)
    assert arm.space.default()["train.learning_rate"] == 0.004


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("train.batch_size: {default: 333}", "s.yaml:13:23: train.batch_size, merged with its"),
        ("train.batch_sizes: {default: 512}", "s.yaml:13:23: 'train.batch_sizes' is searched in"),
        ("train.batch_size: {}", "s.yaml:13:23: sizes.tiny.parameters.train.batch_size: must have"),
    ],
)
def test_a_wrong_change_of_a_size_is_reported_at_its_place(key: str, problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        at_size("tiny", f"  tiny: {{parameters: {{{key}}}}}\n")
    (found,) = caught.value.problems
    assert found.startswith(problem)


def test_what_the_study_fixes_a_size_does_not_search() -> None:
    with pytest.raises(ConfigurationError, match="must be either fixed or searched"):
        at_size("quick", "fixed: {train.batch_size: 256}\n")
