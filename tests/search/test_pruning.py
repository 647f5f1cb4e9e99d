"""Pruning gives the answers of Optuna's own pruners, without asking them more than it must."""

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import Trial, TrialState

from hinet_search.search.pruning import Pruning
from hinet_search.spec import PrunerSpec

PASSES, EVALUATIONS = 2.0, 4
curves = st.lists(
    st.lists(st.floats(0, 1, allow_nan=False), min_size=1, max_size=int(PASSES * EVALUATIONS)), min_size=1, max_size=9
)


@pytest.mark.parametrize("kind", ["none", "median", "asha", "hyperband"])
@pytest.mark.parametrize("maximize", [True, False])
@given(curves=curves)
def test_trials_end_where_optuna_ends_them(kind: str, maximize: bool, curves: list[list[float]]) -> None:  # noqa: FBT001  hypothesis
    ends = [_ends(spec(kind), curves, maximize=maximize, by_optuna=by_optuna) for by_optuna in (True, False)]
    assert ends[0] == ends[1]


def spec(kind: str) -> PrunerSpec:
    return PrunerSpec.model_validate({"kind": kind, "after_passes": 0.5, "startup_trials": 2})


def _ends(spec: PrunerSpec, curves: list[list[float]], *, maximize: bool, by_optuna: bool) -> list[int]:
    """After how many evaluations every trial ends."""
    pruning = Pruning(spec, PASSES, EVALUATIONS, maximize=maximize)
    direction = "maximize" if maximize else "minimize"
    study = optuna.create_study(study_name="s", direction=direction, pruner=pruning.pruner)
    ends = []
    for curve in curves:
        trial, values = study.ask(), {}
        for step, value in enumerate(curve, start=1):
            values[step] = value
            trial.report(value, step)
            if trial.should_prune() if by_optuna else pruning.gives_up(trial, values):
                study.tell(trial, state=TrialState.PRUNED)
                break
        else:
            study.tell(trial, curve[-1])
            pruning.remember(values)
        ends.append(step)
    return ends


class Unasked(Trial):
    def __init__(self) -> None:
        """A trial of no study."""

    def should_prune(self) -> bool:
        raise AssertionError("Optuna is asked")


@pytest.mark.parametrize("kind", ["none", "median"])
def test_optuna_does_not_read_trials_back(kind: str) -> None:
    pruning = Pruning(spec(kind), PASSES, EVALUATIONS, maximize=True)
    for _ in range(4):
        pruning.remember(dict.fromkeys(range(1, 9), 0.9))
    answers = [pruning.gives_up(Unasked(), dict.fromkeys(range(1, step + 1), 0.1)) for step in range(1, 9)]
    assert any(answers) is (kind == "median")
