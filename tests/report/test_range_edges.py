"""Best values at the edge of a range are named, each with a wider end."""

from dataclasses import replace

import pytest

from hinet_search.report.checks import range_edges
from hinet_search.report.record_facts import at_the_edge, wider_end
from hinet_search.results.records import ParameterRange
from tests.report.planted import PLANTED


def test_best_values_at_the_edge_are_listed_by_arm() -> None:
    finding = range_edges.check(PLANTED["range_edges"])
    assert finding is not None
    assert finding.subject == "Single, PLE and HiNet have best values at the edge of a range."
    assert finding.details[0] == "Single: model.scenario.num_sub_experts = 8 (high: 12)."


def test_the_values_of_one_trial_are_at_no_edge() -> None:
    record = PLANTED["range_edges"]
    assert any(at_the_edge(record, arm) for arm in record.arms)
    for arm in record.arms:
        assert at_the_edge(record, replace(arm, trials=arm.trials[:1])) == []


@pytest.mark.parametrize(
    ("searched", "end", "wider"),
    [
        (ParameterRange("x", "float", 1e-4, 1e-2, True, (), 1e-3, ""), "high", 0.1),
        (ParameterRange("x", "float", 1e-4, 1e-2, True, (), 1e-3, ""), "low", 1e-5),
        (ParameterRange("x", "float", 0.0, 0.6, False, (), 0.2, ""), "high", 0.9),
        (ParameterRange("x", "float", 0.1, 0.6, False, (), 0.2, ""), "low", 0.0),
        (ParameterRange("x", "int", 2, 8, False, (), 3, ""), "low", 1),
        (ParameterRange("x", "int", 2, 8, False, (), 3, ""), "high", 11),
    ],
)
def test_a_range_becomes_half_as_wide_again_at_one_end(
    searched: ParameterRange, end: str, wider: float
) -> None:
    assert wider_end(searched, end) == wider
