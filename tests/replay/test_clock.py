"""A strategy on the simulated clock sees what a search with real slots would see."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from replay.clock import Trace, simulate
from replay.strategy import Decision, New, Resume
from replay.table import Configuration, Parameter, Table, Values

PARAMETER = Parameter("rate", "float", 0.0, 1.0)


def table(*curves: Sequence[float], seconds: float = 10.0) -> Table:
    """Configurations at equal distances, with an evaluation every `seconds`."""
    return Table(
        "made up",
        (PARAMETER,),
        tuple(
            Configuration(
                {"rate": k / max(1, len(curves) - 1)},
                tuple((step + 1) / 4 for step in range(len(curve))),
                tuple(seconds * (step + 1) for step in range(len(curve))),
                tuple(curve),
                truth=max(curve),
                is_default=k == 0,
            )
            for k, curve in enumerate(curves)
        ),
        most_epochs=1.0,
        evaluations_per_epoch=4,
    )


@dataclass
class Scripted:
    """Proposes values in turn, then the default; decides as it is told by (trial, epochs)."""

    proposals: list[New | Resume]
    decisions: dict[tuple[int, float], Decision] = field(default_factory=dict)
    heard: list[tuple[int, float, float]] = field(default_factory=list)
    begun: list[Values] = field(default_factory=list)
    complete: list[tuple[int, float]] = field(default_factory=list)

    def next(self) -> New | Resume:
        return self.proposals.pop(0) if self.proposals else New(None)

    def started(self, trial: int, values: Values) -> None:
        assert trial == len(self.begun)
        self.begun.append(values)

    def evaluated(self, trial: int, epochs: float, value: float) -> Decision:
        self.heard.append((trial, epochs, value))
        return self.decisions.get((trial, epochs), Decision.GO_ON)

    def ended(self, trial: int, value: float) -> None:
        self.complete.append((trial, value))


def test_one_slot_trains_one_configuration_after_another_until_the_table_is_used_up() -> None:
    strategy = Scripted([New({"rate": 1.0}), New({"rate": 0.9})])
    trace = simulate(table([0.1, 0.2], [0.3], [0.25, 0.5]), strategy, 1, 1000.0)
    assert [heard[0] for heard in strategy.heard] == [0, 0, 1, 2, 2]
    assert [values["rate"] for values in strategy.begun] == [1.0, 0.5, 0.0]
    assert trace.seconds == [10.0, 20.0]  # nothing later looks better than the first
    assert strategy.complete == [(0, 0.5), (1, 0.3), (2, 0.2)]


def test_several_slots_share_the_clock() -> None:
    curves = [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]]
    strategy = Scripted([New({"rate": 0.0}), New({"rate": 0.5}), New({"rate": 1.0})])
    trace = simulate(table(*curves), strategy, 2, 1000.0)
    assert [heard[:2] for heard in strategy.heard] == [
        *[(0, 0.25), (1, 0.25), (0, 0.5), (1, 0.5)],
        *[(2, 0.25), (2, 0.5)],
    ]
    assert trace.seconds == [10.0, 10.0, 20.0, 30.0, 40.0]


def test_a_stopped_training_frees_its_slot_and_is_not_complete() -> None:
    strategy = Scripted([New(None), New({"rate": 1.0})], {(0, 0.25): Decision.STOP})
    trace = simulate(table([0.1, 0.9], [0.3, 0.4]), strategy, 1, 1000.0)
    assert strategy.complete == [(1, 0.4)]
    assert trace.truth == [0.9, 0.4, 0.4]  # the first trial is known by its first value alone
    assert trace.seconds == [10.0, 20.0, 30.0]


def test_a_resumed_training_costs_what_is_left_of_it() -> None:
    script = [New(None), New({"rate": 1.0}), Resume(0)]
    strategy = Scripted(script, {(0, 0.25): Decision.PAUSE})
    trace = simulate(table([0.1, 0.9], [0.3, 0.4]), strategy, 1, 1000.0)
    assert strategy.heard[-1] == (0, 0.5, 0.9)
    assert trace.seconds[-1] == 40.0


def test_nothing_is_heard_after_the_time_is_over() -> None:
    strategy = Scripted([])
    simulate(table([0.1, 0.2, 0.3]), strategy, 1, 20.0)
    assert len(strategy.heard) == 2


def test_the_target_must_be_reached_for_good() -> None:
    trace = Trace([1.0, 2.0, 5.0], [0.9, 0.5, 0.8], trials=3)
    assert trace.seconds_to(0.8) == 5.0
    assert trace.seconds_to(0.85) == float("inf")
    assert (trace.at(0.5), trace.at(2.0), trace.at(9.0)) == (float("-inf"), 0.5, 0.8)


@pytest.mark.parametrize("tried", [set(), {1}, {0, 1}])
def test_the_nearest_untried_configuration_is_taken(tried: set[int]) -> None:
    known = table([0.1], [0.2], [0.3])
    distances = {k: abs(k / 2 - 0.4) for k in range(3) if k not in tried}
    assert known.nearest({"rate": 0.4}, tried) == min(distances, key=distances.__getitem__)
