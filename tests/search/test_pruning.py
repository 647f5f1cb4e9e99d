"""Pruning gives the answers of Optuna's pruners, without asking them more often than necessary."""

from itertools import pairwise

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import Trial, TrialState

from hinet_search.search.sampling import Pruning
from hinet_search.study.study_spec import PrunerSpec
from hinet_search.training.run_state import make_schedule
from hinet_search.training.train_config import TrainConfig

PASSES, EVALUATIONS = 2.0, 4
curves = st.lists(
    st.lists(st.floats(0, 1, allow_nan=False), min_size=1, max_size=int(PASSES * EVALUATIONS)),
    min_size=1,
    max_size=9,
)


@pytest.mark.parametrize("kind", ["none", "median", "asha", "hyperband"])
@pytest.mark.parametrize("maximize", [True, False])
@given(curves=curves)
def test_trials_end_where_optuna_ends_them(
    kind: str, maximize: bool, curves: list[list[float]]
) -> None:
    ends = [
        _ends(spec(kind), curves, maximize=maximize, by_optuna=by_optuna)
        for by_optuna in (True, False)
    ]
    assert ends[0] == ends[1]


def spec(kind: str) -> PrunerSpec:
    return PrunerSpec.model_validate({"kind": kind, "after_passes": 0.5, "startup_trials": 2})


def _ends(
    spec: PrunerSpec, curves: list[list[float]], *, maximize: bool, by_optuna: bool
) -> list[int]:
    """After how many evaluations every trial ends."""
    pruning = Pruning(spec, PASSES, EVALUATIONS)
    direction = "maximize" if maximize else "minimize"
    study = optuna.create_study(study_name="s", direction=direction, pruner=pruning.pruner)
    ends = []
    for curve in curves:
        trial, values = study.ask(), {}
        for step, value in enumerate(curve, start=1):
            values[step] = (value if maximize else -value,)
            trial.report(value, step)
            if trial.should_prune() if by_optuna else pruning.gives_up(trial, values):
                study.tell(trial, state=TrialState.PRUNED)
                break
        else:
            study.tell(trial, curve[-1])
            pruning.remember(values)
        ends.append(step)
    return ends


@given(
    num_rows=st.integers(1, 500),
    batch_size=st.integers(1, 200),
    passes=st.floats(0.1, 5),
    per_pass=st.integers(1, 9),
)
def test_each_evaluation_of_a_network_is_a_step_but_for_one_at_the_very_end(
    num_rows: int, batch_size: int, passes: float, per_pass: int
) -> None:
    config = TrainConfig(batch_size=batch_size, passes=passes, evaluations_per_pass=per_pass)
    schedule = make_schedule(num_rows, config)
    pruning = Pruning(spec("median"), passes, per_pass)
    steps = [
        pruning.step(step / schedule.steps_per_pass) for step in sorted(schedule.evaluation_steps)
    ]
    assert all(first < second for first, second in pairwise(steps[:-1]))
    assert steps == sorted(steps)
    if schedule.steps_per_pass >= per_pass:
        assert steps[:-1] == list(range(1, len(steps)))


def test_ten_stages_of_trees_are_compared_with_networks_after_the_same_passes() -> None:
    pruning = Pruning(PrunerSpec(after_passes=1.5, startup_trials=1), 4.0, 4)
    steps = [pruning.step(4.0 * stage / 10) for stage in range(1, 11)]
    assert steps == [2, 3, 5, 6, 8, 10, 11, 13, 14, 16]
    pruning.remember(dict.fromkeys(steps, (0.9,)))
    answers = [
        pruning.gives_up(Unasked(), dict.fromkeys(steps[:stage], (0.1,))) for stage in range(1, 11)
    ]
    assert answers == [False] * 3 + [True] * 7  # at pass 1.6


class Unasked(Trial):
    def __init__(self) -> None:
        """A trial of no study."""

    def should_prune(self) -> bool:
        raise AssertionError("Optuna is asked")


@pytest.mark.parametrize("kind", ["none", "median"])
def test_optuna_does_not_read_trials_back(kind: str) -> None:
    pruning = Pruning(spec(kind), PASSES, EVALUATIONS)
    for _ in range(4):
        pruning.remember(dict.fromkeys(range(1, 9), (0.9,)))
    answers = [
        pruning.gives_up(Unasked(), dict.fromkeys(range(1, step + 1), (0.1,)))
        for step in range(1, 9)
    ]
    assert any(answers) is (kind == "median")


steps_to_two = st.lists(st.floats(0, 1, allow_nan=False), min_size=1, max_size=8)


@given(
    st.lists(st.tuples(steps_to_two, st.integers(0, 2)), max_size=9),
    steps_to_two,
    st.integers(0, 2),
)
def test_with_a_second_objective_only_trials_as_good_in_it_are_compared(
    complete: list[tuple[list[float], int]], running: list[float], cost: int
) -> None:
    kind = PrunerSpec(after_passes=0.0, startup_trials=2)
    both, one = Pruning(kind, PASSES, EVALUATIONS), Pruning(kind, PASSES, EVALUATIONS)
    last = len(running)
    as_cheap = [curve for curve, their_cost in complete if their_cost <= cost]
    for curve, their_cost in complete:
        both.remember({step: (value, -their_cost) for step, value in enumerate(curve, 1)})
    for curve in as_cheap:
        one.remember({step: (value,) for step, value in enumerate(curve, 1)})
    expected = one.gives_up(Unasked(), {step: (value,) for step, value in enumerate(running, 1)})
    if sum(len(curve) >= last for curve in as_cheap) < kind.startup_trials:
        expected = False
    curve = {step: (value, -cost) for step, value in enumerate(running, 1)}
    assert both.gives_up(Unasked(), curve) is expected


def test_a_trial_of_unknown_cost_is_not_pruned() -> None:
    pruning = Pruning(PrunerSpec(after_passes=0.0, startup_trials=1), PASSES, EVALUATIONS)
    pruning.remember({1: (0.9, -1.0)})
    assert pruning.gives_up(Unasked(), {1: (0.1, -1.0)})
    assert not pruning.gives_up(Unasked(), {1: (0.1, float("nan"))})
