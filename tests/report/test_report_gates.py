"""The check of gates: collapsed gates and dead experts, by the module of each expert."""

from dataclasses import replace

import pytest

from hinet_search.results.records import FinalistRun, GateUsage
from tests.report.planted import hinet_runs, in_layout
from tests.report.test_report_checks import finding_of


def test_a_gate_that_adds_its_experts_up_has_not_collapsed() -> None:
    gates = (GateUsage("Home/click", ("shared 1", "shared 2"), (1.0, 1.0)),)
    assert not finding_of(
        "gates", hinet_runs(lambda run: replace(run, insight=replace(run.insight, gates=gates)))
    ).warns


def test_gates_that_collapse_on_a_different_expert_per_seed_are_found() -> None:
    def turned(run: FinalistRun) -> FinalistRun:
        weights = (0.97, 0.03) if run.seed % 2 else (0.03, 0.97)
        gates = (GateUsage("Home/click", ("shared 1", "shared 2"), weights),)
        return replace(run, insight=replace(run.insight, gates=gates))

    finding = finding_of("gates", hinet_runs(turned))
    assert finding.details == (
        "HiNet: the gate of Home · click gives one expert more than .95 in 5 of 5 seeds.",
    )


@pytest.mark.parametrize(
    ("layout", "dead"),
    [
        (
            "per_scenario",
            [
                "no gate of Home · click gives specific 1",
                "no gate of Push gives one of shared 1, shared 2",
            ],
        ),
        ("global", ["no gate of Home · click gives specific 1"]),
        ("shared", []),
    ],
)
def test_an_expert_is_dead_if_no_gate_uses_its_module(layout: str, dead: list[str]) -> None:
    finding = finding_of("gates", in_layout(layout, home=(0.60, 0.39, 0.01), push=(0.5, 0.0, 0.5)))
    assert finding.details == tuple(
        f"HiNet: {gate} more than .02 in 5 of 5 seeds." for gate in dead
    )


@pytest.mark.parametrize("layout", ["per_scenario", "global", "shared"])
def test_an_expert_that_no_gate_uses_is_dead_in_every_layout(layout: str) -> None:
    finding = finding_of("gates", in_layout(layout, home=(0.5, 0.0, 0.5), push=(0.5, 0.0, 0.5)))
    assert all("gives one of shared 1, shared 2" in line for line in finding.details)
    assert finding.warns
