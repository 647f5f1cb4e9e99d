"""Pruning gives the answers of Optuna's pruners, from the values of trials alone, and waits its time."""

from itertools import pairwise

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import TrialState

from hinet_search.search.sampling import Pruning
from hinet_search.study.study_spec import PrunerSpec
from hinet_search.training.run_state import make_schedule
from hinet_search.training.train_config import TrainConfig

EPOCHS, EVALUATIONS = 2.0, 4
curves = st.lists(
    st.lists(st.floats(0, 1, allow_nan=False), min_size=1, max_size=int(EPOCHS * EVALUATIONS)),
    min_size=1,
    max_size=9,
)


KINDS = ("none", "median")


def spec(kind: str, after_epochs: float = 0.5, startup_trials: int = 2) -> PrunerSpec:
    return PrunerSpec.model_validate(
        {"kind": kind, "after_epochs": after_epochs, "startup_trials": startup_trials}
    )


def new_pruning(spec: PrunerSpec) -> Pruning:
    return Pruning(spec, EVALUATIONS)


def optunas(kind: str) -> optuna.pruners.BasePruner:
    """Optuna's own pruner of that kind, which prunes nothing before half an epoch."""
    if kind == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=2)
    return optuna.pruners.NopPruner()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("maximize", [True, False])
@given(curves=curves, resumed_after=st.integers(0, 9))
def test_trials_end_where_optuna_ends_them(
    kind: str, maximize: bool, curves: list[list[float]], resumed_after: int
) -> None:
    assert _ends(kind, curves, resumed_after) == _ends_by_optuna(kind, curves, maximize=maximize)


def _ends(kind: str, curves: list[list[float]], resumed_after: int) -> list[int]:
    """After how many evaluations every trial ends; a launch resumes the study in between."""
    pruning, ended = new_pruning(spec(kind)), []
    for number, curve in enumerate(curves):
        if number == resumed_after:
            pruning = new_pruning(spec(kind))
            for earlier, values in enumerate(ended):
                if len(values) == len(curves[earlier]):
                    pruning.remember(values)
        values = {}
        for step, value in enumerate(curve, start=1):
            values[step] = (value,)
            if pruning.gives_up(values):
                break
        else:
            pruning.remember(values)
        ended.append(values)
    return [len(values) for values in ended]


def _ends_by_optuna(kind: str, curves: list[list[float]], *, maximize: bool) -> list[int]:
    direction = "maximize" if maximize else "minimize"
    study = optuna.create_study(study_name="s", direction=direction, pruner=optunas(kind))
    ends = []
    for curve in curves:
        trial = study.ask()
        for step, value in enumerate(curve, start=1):
            trial.report(value if maximize else -value, step)
            if step >= 2 and trial.should_prune():
                study.tell(trial, state=TrialState.PRUNED)
                break
        else:
            study.tell(trial, curve[-1])
        ends.append(step)
    return ends


def first_pruned_step(kind: str, after_epochs: float, startup_trials: int = 4) -> int | None:
    """The evaluation at which a hopeless trial is given up, beside 15 better ones; None when it never is."""
    pruning = Pruning(spec(kind, after_epochs, startup_trials), 4)
    for _ in range(15):
        good = {}
        for step in range(1, 17):
            good[step] = (0.8,)
            assert not pruning.gives_up(good)
        pruning.remember(good)
    bad = {}
    for step in range(1, 17):
        bad[step] = (0.5,)
        if pruning.gives_up(bad):
            return step
    return None


@pytest.mark.parametrize(("after_epochs", "step"), [(1.5, 6), (0.5, 2), (2.0, 8), (1.1, 5)])
def test_a_hopeless_trial_is_pruned_at_the_first_evaluation_after_its_grace(
    after_epochs: float, step: int
) -> None:
    assert first_pruned_step("median", after_epochs) == step


@pytest.mark.parametrize("kind", KINDS)
def test_epochs_that_no_trial_has_mean_that_none_is_given_up(kind: str) -> None:
    assert first_pruned_step(kind, 5.0) is None


def test_the_median_waits_for_its_startup_trials() -> None:
    assert first_pruned_step("median", 0.5, startup_trials=15) == 2
    assert first_pruned_step("median", 0.5, startup_trials=16) is None


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_trial_goes_on(kind: str) -> None:
    assert not Pruning(spec(kind, 0.0), 1).gives_up({1: (0.5,)})


@given(
    num_rows=st.integers(1, 500),
    batch_size=st.integers(1, 200),
    epochs=st.floats(0.1, 5),
    per_epoch=st.integers(1, 9),
)
def test_each_evaluation_of_a_network_is_a_step_but_for_one_at_the_very_end(
    num_rows: int, batch_size: int, epochs: float, per_epoch: int
) -> None:
    config = TrainConfig(batch_size=batch_size, epochs=epochs, evaluations_per_epoch=per_epoch)
    schedule = make_schedule(num_rows, config)
    pruning = Pruning(spec("median"), per_epoch)
    steps = [
        pruning.step(step / schedule.steps_per_epoch) for step in sorted(schedule.evaluation_steps)
    ]
    assert all(first < second for first, second in pairwise(steps[:-1]))
    assert steps == sorted(steps)
    if schedule.steps_per_epoch >= per_epoch:
        assert steps[:-1] == list(range(1, len(steps)))


def test_ten_stages_of_trees_are_compared_with_networks_after_the_same_epochs() -> None:
    pruning = Pruning(PrunerSpec(after_epochs=1.5, startup_trials=1), 4)
    steps = [pruning.step(4.0 * stage / 10) for stage in range(1, 11)]
    assert steps == [2, 3, 5, 6, 8, 10, 11, 13, 14, 16]
    pruning.remember(dict.fromkeys(steps, (0.9,)))
    answers = [pruning.gives_up(dict.fromkeys(steps[:stage], (0.1,))) for stage in range(1, 11)]
    assert answers == [False] * 3 + [True] * 7  # at epoch 1.6


steps_to_two = st.lists(st.floats(0, 1, allow_nan=False), min_size=1, max_size=8)


@given(
    st.lists(st.tuples(steps_to_two, st.integers(0, 2)), max_size=9),
    steps_to_two,
    st.integers(0, 2),
)
def test_with_a_second_objective_only_trials_as_good_in_it_are_compared(
    complete: list[tuple[list[float], int]], running: list[float], cost: int
) -> None:
    kind = PrunerSpec(after_epochs=0.0, startup_trials=2)
    both, one = new_pruning(kind), new_pruning(kind)
    last = len(running)
    as_cheap = [curve for curve, their_cost in complete if their_cost <= cost]
    for curve, their_cost in complete:
        both.remember({step: (value, -their_cost) for step, value in enumerate(curve, 1)})
    for curve in as_cheap:
        one.remember({step: (value,) for step, value in enumerate(curve, 1)})
    expected = one.gives_up({step: (value,) for step, value in enumerate(running, 1)})
    if sum(len(curve) >= last for curve in as_cheap) < kind.startup_trials:
        expected = False
    curve = {step: (value, -cost) for step, value in enumerate(running, 1)}
    assert both.gives_up(curve) is expected


def test_a_trial_of_unknown_cost_is_not_pruned() -> None:
    pruning = new_pruning(PrunerSpec(after_epochs=0.0, startup_trials=1))
    pruning.remember({1: (0.9, -1.0)})
    assert pruning.gives_up({1: (0.1, -1.0)})
    assert not pruning.gives_up({1: (0.1, float("nan"))})
