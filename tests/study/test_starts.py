"""A study names configurations that an arm tries first, as changes of its default."""

from pathlib import Path

import pytest

from hinet_search.common import plugins
from hinet_search.common.errors import ConfigurationError
from hinet_search.results.records import Start
from hinet_search.search.plan.plan_warnings import left_out_starts
from hinet_search.study.load_study import MODELS, ResolvedStudy, load_study
from hinet_search.study.search_space import load_space
from hinet_search.study.starts import portfolio
from hinet_search.training.trial_config import known_names
from tests.study_texts import DATA

STUDY = (
    DATA
    + """\
trials: 3
arms:
  mmoe:
    space: tiny.yaml
    fixed: {train.patience: 3}
    start:
"""
)
SPACE = """\
parameters:
  train.learning_rate: {kind: float, low: 0.001, high: 0.1, log: true, default: 0.01}
  model.num_experts: {kind: int, low: 2, high: 8, default: 4}
  model.expert_widths: {kind: widths, choices: {narrow: [8], wide: [64]}, default: narrow}
  train.shuffle: {kind: categorical, choices: [true, false], default: true}
  train.dropout:
    {kind: float, low: 0.0, high: 0.5, default: 0.1, when: {model.expert_widths: wide}}
"""
DEFAULT = {
    "train.learning_rate": 0.01,
    "model.num_experts": 4,
    "model.expert_widths": "narrow",
    "train.shuffle": True,
}


def load(*starts: str) -> ResolvedStudy:
    Path("tiny.yaml").write_text(SPACE)
    Path("s.yaml").write_text(STUDY + "".join(f"      - {start}\n" for start in starts))
    return load_study("s.yaml")


def test_a_start_is_the_default_with_the_values_that_it_names() -> None:
    (arm,) = load("{train.learning_rate: 0.05}", "{model.num_experts: 8}").arms
    assert arm.starts == (
        Start({**DEFAULT, "train.learning_rate": 0.05}, "start 1"),
        Start({**DEFAULT, "model.num_experts": 8}, "start 2"),
    )


def test_a_start_has_the_parameters_whose_condition_it_meets() -> None:
    (arm,) = load("{model.expert_widths: wide}").arms
    values = {**DEFAULT, "model.expert_widths": "wide", "train.dropout": 0.1}
    assert arm.starts == (Start(values, "start 1"),)


@pytest.mark.parametrize(
    ("start", "problem"),
    [
        (
            "{train.learning_rates: 0.05}",
            "s.yaml:13:10: 'train.learning_rates' is not searched in this arm; did you mean 'train",
        ),
        (
            "{train.patience: 2}",
            "s.yaml:13:10: 'train.patience' is not searched in this arm, it is fixed (s.yaml:11:13)",
        ),
        (
            "{train.learning_rate: 0.05, model.num_experts: 9}",
            "s.yaml:13:37: model.num_experts, merged with its space: needs low <= default <= high",
        ),
        ("{train.learning_rate: .inf}", "s.yaml:13:10: numbers must be finite"),
        ("{train.learning_rate: 1.0e300}", "s.yaml:13:10: train.learning_rate"),
        (f"{{model.num_experts: {10**18}}}", "s.yaml:13:10: model.num_experts"),
        ("{train.learning_rate: [1]}", "s.yaml:13:10: arms.mmoe.start.0.train.learning_rate"),
        ("{train.shuffle: maybe}", "s.yaml:13:10: train.shuffle"),
        ("0.05", "s.yaml:13:9: arms.mmoe.start.0: must be a mapping"),
    ],
)
def test_a_start_that_cannot_be_tried_is_reported_at_its_place(start: str, problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(start)
    assert caught.value.problems[0].startswith(problem), caught.value.problems


def test_problems_of_all_starts_are_reported_together() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load("{model.num_experts: 9}", "{}", "{x: 1, y: 2}")
    assert [problem.split(":")[1] for problem in caught.value.problems] == ["13", "15", "15"]


def test_starts_that_no_trial_is_left_for_are_told() -> None:
    starts = [f"{{model.num_experts: {number}}}" for number in (2, 3, 5)]
    assert list(left_out_starts(load(*starts[:2]))) == []
    assert list(left_out_starts(load(*starts))) == [
        "arm mmoe starts with 3 configurations after its default, of which 2 fit into 3 trials"
    ]


PORTFOLIO = """\
portfolio:
  - {train.learning_rate: 1, model.expert_widths: 1}
  - {train.learning_rate: 0.5, model.num_experts: 0.3, model.of_another_model: 0.2}
"""
FIRST, SECOND = (
    {**DEFAULT, "train.learning_rate": 0.1, "model.expert_widths": "wide", "train.dropout": 0.1},
    {**DEFAULT, "train.learning_rate": pytest.approx(0.01), "model.num_experts": 4},
)
OF_PORTFOLIO = (Start(FIRST, "portfolio 1"), Start(SECOND, "portfolio 2"))


def load_with_portfolio(*starts: str, more: str = "", portfolio: str = PORTFOLIO) -> ResolvedStudy:
    Path("tiny.yaml").write_text(SPACE + portfolio)
    lines = "".join(f"      - {start}\n" for start in starts) if starts else "      []\n"
    Path("s.yaml").write_text(STUDY + lines + more)
    return load_study("s.yaml")


def test_a_portfolio_has_shares_of_the_ranges_and_leaves_the_rest_at_the_default() -> None:
    (arm,) = load_with_portfolio().arms
    assert arm.starts == OF_PORTFOLIO


def test_configurations_of_the_study_come_before_those_of_the_portfolio() -> None:
    (arm,) = load_with_portfolio("{model.num_experts: 8}").arms
    named = Start({**DEFAULT, "model.num_experts": 8}, "start 1")
    assert arm.starts == (named, *OF_PORTFOLIO)


def test_a_portfolio_follows_the_ranges_and_defaults_of_the_study() -> None:
    parameters = (
        "parameters: {train.learning_rate: {high: 0.04}, model.num_experts: {default: 5}}\n"
    )
    (arm,) = load_with_portfolio(more=parameters).arms
    assert arm.starts[0].values["train.learning_rate"] == 0.04
    assert arm.starts[0].values["model.num_experts"] == 5


def test_a_portfolio_leaves_out_what_the_arm_fixes() -> None:
    (arm,) = load_with_portfolio(more="fixed: {train.learning_rate: 0.02}\n").arms
    assert "train.learning_rate" not in arm.starts[0].values
    assert arm.starts[0].values["model.expert_widths"] == "wide"


def test_a_study_may_search_without_the_portfolio() -> None:
    (arm,) = load_with_portfolio(more="portfolio: false\n").arms
    assert arm.starts == ()


def test_no_warning_comes_of_a_portfolio_that_is_longer_than_the_trials() -> None:
    study = load_with_portfolio(portfolio="portfolio:\n" + "  - {train.learning_rate: 0.7}\n" * 5)
    assert len(study.arms[0].starts) == 5
    assert list(left_out_starts(study)) == []


def test_a_space_takes_the_portfolio_of_the_space_that_it_includes_unless_it_has_its_own() -> None:
    Path("base.yaml").write_text(PORTFOLIO)
    include = "include: [base.yaml]\n"
    (arm,) = load_with_portfolio(portfolio=include).arms
    assert arm.starts == OF_PORTFOLIO
    (arm,) = load_with_portfolio(portfolio=include + "portfolio: [{model.num_experts: 1}]\n").arms
    assert arm.starts == (Start({**DEFAULT, "model.num_experts": 8}, "portfolio 1"),)
    (arm,) = load_with_portfolio(portfolio=include + "portfolio: []\n").arms
    assert arm.starts == ()


def test_a_share_outside_0_to_1_is_refused_with_its_place() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_with_portfolio(portfolio="portfolio:\n  - {train.learning_rate: 1.5}\n")
    (problem,) = caught.value.problems
    assert problem == (
        "tiny.yaml:9:6: portfolio.0.train.learning_rate: must be less than or equal to 1, got 1.5"
    )


def test_a_name_without_a_point_is_of_every_parameter_that_ends_with_it() -> None:
    entries = "portfolio: [{num_experts: 1, dropout: 1, model.expert_widths: 1, widths: 0.5}]\n"
    (arm,) = load_with_portfolio(portfolio=entries).arms
    wide = {"model.expert_widths": "wide", "train.dropout": 0.5}
    expected = {**DEFAULT, **wide, "model.num_experts": 8}
    assert arm.starts == (Start(expected, "portfolio 1"),)


def test_the_whole_name_goes_before_its_last_part() -> None:
    entries = "portfolio: [{model.num_experts: 0, num_experts: 1}]\n"
    (arm,) = load_with_portfolio(portfolio=entries).arms
    assert arm.starts[0].values["model.num_experts"] == 2


def kind_of(name: str) -> str:
    """Return what a setting is, whatever its path: models have dropout at different ones."""
    return "dropout" if name.endswith(".dropout") else name


SHIPPED = [name for name in plugins.names(MODELS) if load_space(name).portfolio]


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_portfolio_moves_the_same_kinds_of_things_of_every_model(name: str) -> None:
    space = load_space(name)
    starts = portfolio(space)
    assert len(starts) == len(load_space("training").portfolio)
    for start, shares in zip(starts, load_space("training").portfolio, strict=True):
        expected = {
            setting: distribution.at(shares[kind_of(setting)])
            for setting, distribution in space.parameters.items()
            if kind_of(setting) in shares
        }
        assert expected.items() <= start.values.items()


@pytest.mark.parametrize("name", SHIPPED)
def test_the_portfolio_moves_the_dropout_of_every_model(name: str) -> None:
    space = load_space(name)
    dropouts = [setting for setting in known_names(name) if setting.endswith(".dropout")]
    moved = [setting for setting in dropouts if setting in space.parameters]
    assert moved, f"{dropouts} are not searched"
    for setting in moved:
        values = {start.values[setting] for start in portfolio(space)}
        assert len(values) == len(space.portfolio), "every entry has a dropout of its own"
