"""Facts of a record: edges of ranges, names and commands."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from hinet_search.cli.commands import launch
from hinet_search.report.checks import range_edges
from hinet_search.report.commands import SAME_STUDY, export_command, report_command
from hinet_search.report.record_facts import (
    RangePosition,
    at_the_edge,
    gate_in_words,
    objective_in_words,
    range_position,
)
from hinet_search.results.records import ParameterRange
from tests.report.planted import PLANTED, with_experts
from tests.report.studies import small


def searched(kind: str, low: float, high: float, *, log: bool = False) -> ParameterRange:
    return ParameterRange("model.x", kind, low, high, log, (), 0.3)


@pytest.mark.parametrize(
    ("over", "value"),
    [
        (searched("int", 1, 20, log=True), 1),
        (searched("int", 1, 5), 1),
        (searched("int", 0, 4), 0),
        (searched("float", 0.0, 0.6), 0.0),
        (searched("float", 0.0, 0.6), 0.01),
    ],
    ids=str,
)
def test_a_low_end_that_no_configuration_can_pass_is_no_edge(
    over: ParameterRange, value: float
) -> None:
    where = range_position(over, value)
    assert where is not None
    assert (where.share < 0.05, where.edge) == (True, "")


@pytest.mark.parametrize(
    ("over", "value", "edge"),
    [
        (searched("int", 2, 8), 2, "low"),
        (searched("float", 1.0, 3.0), 1.0, "low"),
        (searched("float", 3e-4, 5e-3, log=True), 3e-4, "low"),
        (searched("float", 0.0, 0.6), 0.6, "high"),
        (searched("float", 0.0, 0.6), 0.59, "high"),
        (searched("int", 1, 5), 5, "high"),
        (searched("int", 1, 5), 2, ""),
    ],
    ids=str,
)
def test_any_other_end_is_an_edge(over: ParameterRange, value: float, edge: str) -> None:
    where = range_position(over, value)
    assert where is not None
    assert where.edge == edge


def test_neither_a_default_nor_an_end_that_the_model_cannot_pass_is_an_edge() -> None:
    over = searched("float", 0.1, 0.9)
    for range_ in (replace(over, default=0.9), replace(over, ends=("low",))):
        assert range_position(range_, 0.9) == RangePosition(1.0, "")


@pytest.mark.parametrize(
    ("launched", "places"),
    [
        ("hinet-search launch shop --trials 5", ""),
        ("hinet-search launch shop --output /tmp/try --trials 5", " --output /tmp/try"),
        (
            "hinet-search launch --storage=sqlite:///a.db shop --output=out",
            " --storage=sqlite:///a.db --output=out",
        ),
        ("hinet-search launch shop --output '/tmp/my runs'", " --output '/tmp/my runs'"),
        ("hinet-search launch shop --output-format x --slots 2", ""),
        ('hinet_search.launch("it\'s --output x")', ""),
        ("", ""),
    ],
)
def test_the_report_command_looks_where_the_launch_has_stored(launched: str, places: str) -> None:
    assert report_command(replace(small(), command=launched)) == f"hinet-search report shop{places}"


@pytest.mark.parametrize(
    ("launched", "name", "command"),
    [
        (
            "hinet-search launch studies/shop.yaml --trials 5",
            "shop",
            "studies/shop.yaml/ple -o ple-shop",
        ),
        (
            "hinet-search launch --slots 4 shop --output out",
            "shop",
            "shop/ple -o ple-shop --output out",
        ),
        (
            "hinet-search launch shop --size tiny --set a=1",
            "shop-tiny",
            "shop/ple -o ple-shop-tiny --size tiny --set a=1",
        ),
        (
            "hinet-search launch shop --size=tiny --variant far",
            "shop-far-tiny",
            "shop/ple -o ple-shop-far-tiny --size=tiny --variant far",
        ),
        (
            "hinet-search launch quick --output /tmp/two --set name=two",
            "two",
            "quick/ple -o ple-two --output /tmp/two --set name=two",
        ),
        ('hinet_search.launch("shop")', "shop", "shop/ple -o ple-shop"),
        ("", "my shop", "'my shop/ple' -o 'ple-my shop'"),
    ],
)
def test_the_export_command_names_the_study_as_it_was_launched(
    launched: str, name: str, command: str
) -> None:
    record = replace(small(), command=launched, name=name)
    assert export_command(record, "ple") == f"hinet-search export {command}"


def test_the_commands_of_a_launch_in_python_name_its_file_and_places() -> None:
    called = (
        "hinet_search.launch('.hinet-search/frames/shop.yaml', trials=2, output='out', "
        "plugins=('my.lab',), settings={'train.batch_size': 64, 'model.gate': 'a b'})"
    )
    record = replace(small(), command=called)
    assert report_command(record) == "hinet-search report shop --output out"
    assert export_command(record, "ple") == (
        "hinet-search export .hinet-search/frames/shop.yaml/ple -o ple-shop --output out "
        "--plugin my.lab --set train.batch_size=64 --set 'model.gate=\"a b\"'"
    )


@pytest.mark.parametrize(
    "called", ["hinet_search.launch('shop', settings=SETTINGS)", "hinet_search.launch('"]
)
def test_a_call_with_values_that_are_no_text_names_the_study_alone(called: str) -> None:
    record = replace(small(), command=called)
    assert export_command(record, "ple") == "hinet-search export shop/ple -o ple-shop"


def test_the_options_that_an_export_repeats_are_options_of_a_launch() -> None:
    assert set(SAME_STUDY) <= {word for option in launch.command.params for word in option.opts}


def test_a_name_with_a_space_is_one_word_of_the_command() -> None:
    assert report_command(replace(small(), name="my shop")) == "hinet-search report 'my shop'"


@pytest.mark.parametrize(
    ("objective", "words"),
    [
        ("mean_auc", "mean AUC"),
        ("gauc", "grouped AUC"),
        ("logloss", "log loss"),
        ("ece", "calibration error"),
        ("auc[new_users/click]", "AUC in new_users · click"),
        ("logloss[Home/feed/click]", "log loss in Home/feed · click"),
    ],
)
def test_an_objective_reads_as_it_stands_beside_a_number(objective: str, words: str) -> None:
    assert objective_in_words(replace(small(), objective=objective)) == words


@pytest.mark.parametrize(
    ("where", "words"),
    [("Home/click", "Home · click"), ("Home/feed/click", "Home/feed · click"), ("all", "all")],
)
def test_a_gate_is_named_by_scenario_and_task(where: str, words: str) -> None:
    assert gate_in_words(where) == words


def test_best_values_at_the_edge_are_listed_by_arm() -> None:
    finding = range_edges.check(PLANTED["range_edges"])
    assert finding is not None
    assert finding.subject == (
        "Single, PLE and HiNet have best values at the edge of a range, and trials improve towards it."
    )
    assert finding.details[0] == "Single: model.scenario.num_sub_experts = 8 (high: 12)."


@pytest.mark.parametrize(
    "counts",
    [(8, 7, 6, 5, 4, 3, 2, 1), (8, 1, 4, 6, 2, 5, 3, 7), (1, 1, 8, 8, 1, 1, 8, 8)],
    ids=["trials improve away from it", "trials are mixed", "two counts alone"],
)
def test_a_best_value_is_at_no_edge_that_trials_do_not_point_to(counts: Sequence[int]) -> None:
    record = PLANTED["range_edges"]
    arm = record.arms[0]
    assert at_the_edge(record, arm)
    assert at_the_edge(record, with_experts(arm, counts)) == []


def test_the_best_value_of_one_or_two_trials_is_at_no_edge() -> None:
    record = PLANTED["range_edges"]
    arm = with_experts(record.arms[0], range(1, 9))
    assert [bool(at_the_edge(record, replace(arm, trials=arm.trials[:n]))) for n in (0, 1, 2)] == [
        False
    ] * 3


@pytest.mark.parametrize(
    ("searched", "end", "wider"),
    [
        (ParameterRange("x", "float", 1e-4, 1e-2, True, (), 1e-3, ""), "high", 0.1),
        (ParameterRange("x", "float", 1e-4, 1e-2, True, (), 1e-3, ""), "low", 1e-5),
        (ParameterRange("x", "float", 0.0, 0.6, False, (), 0.2, ""), "high", 0.9),
        (ParameterRange("x", "float", 0.1, 0.6, False, (), 0.2, ""), "low", 0.05),
        (ParameterRange("x", "int", 2, 8, False, (), 3, ""), "low", 1),
        (ParameterRange("x", "int", 2, 8, False, (), 3, ""), "high", 11),
    ],
)
def test_a_range_becomes_half_as_wide_again_at_one_end(
    searched: ParameterRange, end: str, wider: float
) -> None:
    assert searched.wider(end) == wider
