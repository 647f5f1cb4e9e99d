"""One arm's search keeps an exact budget, whatever is drawn, refused, pruned, failed or interrupted."""

from dataclasses import dataclass, replace
from pathlib import Path

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from hinet_search.search import arm_memory
from hinet_search.search.arm_search import SAMPLED_REDRAWS
from hinet_search.search.phases.finalists import candidates_of
from hinet_search.search.plan.size_limits import default_of
from hinet_search.search.sampling import make_sampler
from hinet_search.storage.engine import Database
from hinet_search.study.load_study import Arm
from hinet_search.study.study_spec import FinalistSpec, SamplerSpec
from hinet_search.training.trial_config import TrialConfig, build_config
from tests.search import studies
from tests.search.arms import Begin, complete, record, run_to_the_end


def test_the_budget_is_used_exactly(begin: Begin, opened: list[Database]) -> None:
    assert len(run_to_the_end(begin(trials=5))) == 5
    assert [trial.state for trial in record(opened).trials] == ["complete"] * 5


def test_running_trials_count_against_the_budget(begin: Begin) -> None:
    search = begin(trials=2)
    assert search.ask() is not None
    assert search.ask() is not None
    assert search.ask() is None


def test_pruned_and_failed_trials_are_trained_trials(begin: Begin) -> None:
    search = begin(trials=3)
    for state in (TrialState.PRUNED, TrialState.FAIL):
        asked = search.ask()
        assert asked is not None
        search.on_evaluation(asked.number, studies.evaluation(1, 0.5))
        search.finish(asked.number, state, None, None, "because")
    assert len(run_to_the_end(search)) == 1


def test_duplicates_are_outside_the_budget(begin: Begin, opened: list[Database]) -> None:
    run_to_the_end(begin(studies.TWO, trials=5))
    assert sum(trial.counts for trial in record(opened).trials) == 2
    assert {trial.cause for trial in record(opened).trials if not trial.counts} == {
        "duplicate of an earlier trial"
    }


def test_a_draw_that_is_not_admitted_is_pruned_with_the_reason(
    begin: Begin, opened: list[Database]
) -> None:
    reason = "too large: 1,001 parameters, max_parameters is 1,000"
    assert begin(refusal=reason).ask() is None
    assert {trial.cause for trial in record(opened).trials} == {reason}


def test_values_that_do_not_fit_together_have_no_configuration_but_a_cause(begin: Begin) -> None:
    asked = begin(ODD, refusal="too large").ask()
    assert asked is not None
    assert (asked.number, asked.config) == (0, None)
    assert "released_code: true has its own SAN" in asked.problem


ODD = """\
parameters: {train.learning_rate: {kind: float, low: 1.0e-4, high: 1.0e-2, default: 1.0e-3}}
fixed: {model.released_code: true, model.san.top_k: 1}
"""


def test_a_trial_has_the_configuration_of_its_draw(begin: Begin) -> None:
    asked = begin(studies.WIDE + "fixed: {model.embedding_dim: 4}\n").ask()
    assert asked is not None
    assert asked.config == build_config(
        "hinet", {"train.learning_rate": 1e-3, "model.embedding_dim": 4}
    )


def test_an_interrupted_trial_comes_first_and_leaves_the_budget_exact(
    begin: Begin, opened: list[Database]
) -> None:
    search = begin(trials=4)
    complete(search, search.ask())
    interrupted = search.ask()
    search.on_evaluation(interrupted.number, studies.evaluation(1, 0.5))
    search.leave(interrupted.number)
    search = begin(trials=4)
    again = search.ask()
    assert (again.number, dict(again.drawn), again.attempt) == (1, dict(interrupted.drawn), 2)
    complete(search, again)
    run_to_the_end(search)
    assert [(trial.number, trial.state) for trial in record(opened).trials] == [
        (number, "complete") for number in range(4)
    ]


def test_evaluations_sent_again_change_nothing(begin: Begin, opened: list[Database]) -> None:
    search = begin()
    asked = search.ask()
    search.on_evaluation(asked.number, studies.evaluation(1, 0.5))
    search.leave(asked.number)
    search = begin()
    search.ask()
    search.on_evaluation(0, studies.evaluation(1, 0.5))
    search.on_evaluation(0, studies.evaluation(2, 0.6))
    assert [evaluation.step for evaluation in record(opened).trials[0].evaluations] == [1, 2]


def test_a_resumed_study_draws_what_it_would_have_drawn(tmp_path: Path, begin: Begin) -> None:
    sampler = {"kind": "tpe", "startup_trials": 3}
    (tmp_path / "other").mkdir()
    expected = run_to_the_end(begin(folder=tmp_path / "other", trials=9, sampler=sampler))
    assert len({str(asked.drawn) for asked in expected}) == 9
    before = run_to_the_end(begin(trials=5, sampler=sampler))
    search = begin(trials=9, sampler=sampler)
    search.leave(search.ask().number)
    after = run_to_the_end(begin(trials=9, sampler=sampler))
    drawn = [(asked.number, asked.drawn) for asked in (*before, *after)]
    assert drawn == [(asked.number, asked.drawn) for asked in expected]


def test_a_bad_trial_is_pruned_only_after_the_warm_up(begin: Begin) -> None:
    search = begin(trials=10, pruner={"kind": "median", "after_epochs": 0.5, "startup_trials": 2})
    for _ in range(3):
        asked = search.ask()
        for step in (1, 2, 3, 4):
            search.on_evaluation(asked.number, studies.evaluation(step, 0.8))
        search.finish(asked.number, TrialState.COMPLETE, 0.8, studies.COST, "")
    asked = search.ask()
    assert [
        search.on_evaluation(asked.number, studies.evaluation(step, 0.6)) for step in (1, 2, 3)
    ] == [False, True, True]


def test_a_trial_of_fewer_evaluations_is_compared_after_the_same_epochs(begin: Begin) -> None:
    search = begin(trials=10, pruner={"kind": "median", "after_epochs": 0.5, "startup_trials": 2})
    for _ in range(2):
        asked = search.ask()
        for step, value in enumerate((0.6, 0.7, 0.8, 0.9), start=1):
            search.on_evaluation(asked.number, studies.evaluation(step, value))
        search.finish(asked.number, TrialState.COMPLETE, 0.9, studies.COST, "")
    asked, halves = search.ask(), ((1, 0.5, 0.72), (2, 1.0, 0.85))
    evaluations = [
        replace(studies.evaluation(step, value), epochs=epochs) for step, epochs, value in halves
    ]
    assert [search.on_evaluation(asked.number, evaluation) for evaluation in evaluations] == [
        False,
        True,
    ]


def test_of_two_evaluations_after_equal_epochs_optuna_gets_one_and_both_are_kept(
    begin: Begin, opened: list[Database]
) -> None:
    search = begin(pruner={"kind": "none"})
    asked = search.ask()
    for step, epochs in ((1, 0.25), (2, 0.3), (3, 0.5)):
        search.on_evaluation(
            asked.number, replace(studies.evaluation(step, step / 10), epochs=epochs)
        )
    search.finish(asked.number, TrialState.COMPLETE, 0.3, studies.COST, "")
    assert search._memory._storage.get_trial(0).intermediate_values == {1: 0.1, 2: 0.3}
    assert [evaluation.objective for evaluation in record(opened).trials[0].evaluations] == [
        0.1,
        0.2,
        0.3,
    ]


def test_importances_are_shares_that_sum_to_one(begin: Begin) -> None:
    search = begin(trials=8)
    while (asked := search.ask()) is not None:
        complete(search, asked, 0.5 + 10 * float(asked.drawn["train.learning_rate"]))
    assert sum(search.importances().values()) == pytest.approx(1.0)


def test_a_default_that_was_pruned_is_a_finalist_all_the_same(begin: Begin) -> None:
    search = begin(trials=3)
    asked = search.ask()
    search.on_evaluation(asked.number, studies.evaluation(1, 0.1))
    search.finish(asked.number, TrialState.PRUNED, None, studies.COST, "pruned at epoch 1")
    run_to_the_end(search)
    assert [
        (candidate.trial_number, candidate.is_default)
        for candidate in candidates_of([search], FinalistSpec(top=1))
    ] == [(2, False), (0, True)]


def test_a_default_that_is_not_wanted_is_a_finalist_if_it_is_the_best_or_nothing_ended(
    begin: Begin,
) -> None:
    without_default = FinalistSpec(top=1, default=False)
    search = begin(trials=3)
    default = search.ask()
    assert default is not None
    search.on_evaluation(default.number, studies.evaluation(1, 0.1))
    search.finish(default.number, TrialState.PRUNED, None, studies.COST, "pruned at epoch 1")
    assert [each.trial_number for each in candidates_of([search], without_default)] == [0]
    run_to_the_end(search)
    assert [each.trial_number for each in candidates_of([search], without_default)] == [2]


@pytest.mark.parametrize("fails", [True, False])
def test_a_default_is_one_finalist_if_it_is_the_best_and_none_if_it_failed(
    begin: Begin, *, fails: bool
) -> None:
    search = begin(trials=1 + fails)
    if fails:
        search.finish(search.ask().number, TrialState.FAIL, None, None, "diverged")
    run_to_the_end(search)
    numbers = [each.trial_number for each in candidates_of([search], FinalistSpec())]
    assert numbers == [int(fails)]


def test_a_sampler_that_repeats_a_refused_point_gives_way_to_random_draws(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Sure(optuna.samplers.RandomSampler):
        def sample_independent(self, study, trial, param_name, param_distribution):
            return 1

    def make(spec: SamplerSpec, seed: int) -> optuna.samplers.BaseSampler:
        return make_sampler(spec, seed) if spec.kind == "random" else Sure()

    monkeypatch.setattr(arm_memory, "make_sampler", make)
    assert len(run_to_the_end(begin(studies.TWO, trials=2))) == 2


@dataclass
class RefusesSome:
    """Refuses that many draws in a row, except the default."""

    left: int

    def __call__(self, arm: Arm, config: TrialConfig) -> str:
        if config == default_of(arm) or not self.left:
            return ""
        self.left -= 1
        return "too large"


def test_after_a_refused_draw_the_sampler_has_some_more_tries(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def noting(spec: SamplerSpec, seed: int) -> optuna.samplers.BaseSampler:
        asked.append(spec.kind)
        return make_sampler(spec, seed)

    monkeypatch.setattr(arm_memory, "make_sampler", noting)
    search = begin(trials=2)
    search._too_large = RefusesSome(SAMPLED_REDRAWS + 2)
    run_to_the_end(search)
    assert asked[1:] == ["tpe"] * (1 + SAMPLED_REDRAWS) + ["random"] * 2


@pytest.mark.parametrize("relaunched", [False, True])
def test_a_sampler_learns_nothing_from_refused_draws(
    begin: Begin, monkeypatch: pytest.MonkeyPatch, *, relaunched: bool
) -> None:
    learned_from: list[tuple[TrialState, ...]] = []
    split = optuna.samplers._tpe.sampler._split_trials

    def noting(study: optuna.Study, trials: list[FrozenTrial], num_good: int) -> object:
        learned_from.append(tuple(trial.state for trial in trials))
        return split(study, trials, num_good)

    monkeypatch.setattr(optuna.samplers._tpe.sampler, "_split_trials", noting)
    sampler = {"kind": "tpe", "startup_trials": 3}
    search = begin(trials=4, sampler=sampler)
    search._too_large = RefusesSome(SAMPLED_REDRAWS)
    run_to_the_end(search)
    run_to_the_end(begin(trials=6, sampler=sampler) if relaunched else search)
    assert learned_from == [
        (TrialState.COMPLETE,) * number for number in ((3, 4, 5) if relaunched else (3,))
    ]


def test_the_time_of_a_training_is_that_of_trainings_that_were_not_pruned(begin: Begin) -> None:
    search = begin(trials=3)
    assert search.seconds_of_training == 0.0
    ends = ((TrialState.COMPLETE, 10.0), (TrialState.PRUNED, 2.0), (TrialState.COMPLETE, 30.0))
    for state, seconds in ends:
        asked = search.ask()
        assert asked is not None
        search.on_evaluation(asked.number, studies.evaluation(1, 0.5))
        value = 0.5 if state == TrialState.COMPLETE else None
        search.finish(asked.number, state, value, replace(studies.COST, seconds=seconds), "")
    assert search.seconds_of_training == 20.0
