"""An arm draws what Optuna draws from its database, also after a new process resumed the study."""

from collections.abc import Mapping
from itertools import count
from pathlib import Path

import optuna
import pytest
from optuna.samplers import TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from hinet_search.results.records import Scalar
from hinet_search.search import sampling
from hinet_search.search.arm_search import ArmSearch, DrawnTrial
from hinet_search.search.sampling import derive_seed, make_sampler
from hinet_search.study.study_spec import SamplerSpec
from tests.search import studies
from tests.search.arms import Begin, complete, run_to_the_end

TRIALS = 7
SPACE = """\
parameters:
  train.learning_rate: {kind: float, low: 1.0e-4, high: 1.0e-2, log: true, default: 1.0e-3}
  model.san.enabled: {kind: categorical, choices: [true, false], default: true}
  model.san.top_k: {kind: int, low: 1, high: 40, default: 3, when: model.san.enabled}
  model.scenario.num_shared_sub_experts: {kind: int, low: 1, high: 40, default: 4}
"""


def value_of(drawn: Mapping[str, Scalar]) -> float:
    return 0.5 + float(str(drawn["train.learning_rate"]))


def is_pruned(number: int) -> bool:
    return number % 4 == 3


@pytest.mark.parametrize(
    ("kind", "relaunched"), [("random", True), ("tpe", False), ("tpe", True), ("gp", True)]
)
def test_an_arm_draws_what_plain_optuna_draws(
    kind: str, relaunched: bool, begin: Begin, tmp_path: Path
) -> None:
    """Two trials run at once, so that samplers see a running one too."""
    sampler = SamplerSpec(kind=kind, startup_trials=3)

    def launch() -> ArmSearch:
        return begin(SPACE, trials=TRIALS, pruner={"kind": "none"}, sampler=sampler)

    search, drawn, running = launch(), {}, []
    for turn in count():
        if (asked := search.ask()) is not None:
            drawn[asked.number] = dict(asked.drawn)
            running.append(asked)
        if asked is None and not running:
            break
        if turn and running:
            _end(search, running.pop(0))
        if relaunched and turn == TRIALS // 2:
            for job in running:
                search.leave(job.number)
            search = launch()
            running = [again for _ in running if (again := search.ask()) is not None]
    assert drawn == _by_plain_optuna(sampler, tmp_path)


def _end(search: ArmSearch, asked: DrawnTrial) -> None:
    search.on_evaluation(asked.number, studies.evaluation(1, value_of(asked.drawn)))
    if is_pruned(asked.number):
        search.finish(asked.number, TrialState.PRUNED, None, studies.COST, "pruned")
    else:
        search.finish(asked.number, TrialState.COMPLETE, value_of(asked.drawn), studies.COST, "")


def _by_plain_optuna(sampler: SamplerSpec, folder: Path) -> dict[int, dict[str, Scalar]]:
    """Ask for each trial as soon as the trial before the last has ended."""
    space, spec = studies.space(folder, SPACE), studies.spec()
    study = optuna.create_study(storage=f"sqlite:///{folder}/plain.db", direction="maximize")
    study.enqueue_trial(space.default())
    trials, drawn = [], {}
    for number in range(TRIALS):
        study.sampler = make_sampler(sampler, derive_seed(spec.seed, "hinet", number))
        trials.append(study.ask())
        drawn[number] = space.suggest(trials[-1])
        if number:
            before = trials[number - 1]
            before.report(value_of(drawn[number - 1]), 1)
            if is_pruned(number - 1):
                study.tell(before, state=TrialState.PRUNED)
            else:
                study.tell(before, value_of(drawn[number - 1]))
    return drawn


RATES = """\
parameters:
  train.learning_rate: {kind: float, low: 1.0e-4, high: 10.0, log: true, default: 1.0e-3}
  model.scenario.num_shared_sub_experts: {kind: int, low: 1, high: 40, default: 4}
"""
DIVERGES_ABOVE = 0.1  # two fifths of the range


@pytest.mark.parametrize(
    ("cause", "is_avoided", "relaunched"),
    [
        ("diverged: the loss is nan", True, True),
        ("out of memory: 3 GB", True, False),
        ("killed by a signal", False, False),
    ],
)
def test_a_sampler_keeps_away_from_values_that_make_a_training_fail(
    cause: str, is_avoided: bool, relaunched: bool, begin: Begin
) -> None:
    """Values do not depend on the rate. Where nothing is known, a sampler looks most: unless it
    learns of failures, most later draws are from the failing two fifths of the range.
    """
    search, failed = begin(RATES, trials=40), []
    for turn in range(40):
        if relaunched and turn == 20:
            search = begin(RATES, trials=40)
        asked = search.ask()
        assert asked is not None
        failed.append(float(str(asked.drawn["train.learning_rate"])) > DIVERGES_ABOVE)
        if failed[-1]:
            search.finish(asked.number, TrialState.FAIL, None, None, cause)
        else:
            complete(search, asked, 0.7 + 0.001 * (asked.number * 5 % 13))
    assert (sum(failed[20:]) < 10) == is_avoided
    assert search.progress().failed == sum(failed)


def test_draws_after_many_trials_are_made_from_the_best_and_a_sample(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "NUM_SAMPLED", 5)
    monkeypatch.setattr(sampling, "NUM_BEST", 2)
    sample, seen = TPESampler.sample_relative, []

    def noted(sampler: TPESampler, study: Study, trial: FrozenTrial, space: dict) -> dict:
        seen.append(len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))))
        return sample(sampler, study, trial, space)

    monkeypatch.setattr(TPESampler, "sample_relative", noted)
    run_to_the_end(begin(trials=12))
    assert seen[:5] == list(range(1, 6))
    assert max(seen) <= 7
