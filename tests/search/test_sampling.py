"""Seeds are the same on every machine, samplers draw without a warning, and pruners wait."""

import math

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hinet_search.search.sampling import derive_seed, make_pruner, make_sampler
from hinet_search.study.study_spec import PrunerSpec, SamplerSpec

SAMPLERS = ("tpe", "random", "gp")
PRUNERS = ("none", "median", "asha", "hyperband")
PASSES, PER_PASS = 4.0, 4


@pytest.mark.parametrize(
    ("parts", "seed"),
    [((7, "hinet", 0), 982512889), ((7, "hinet", 1), 1732523764), ((7, "trial", 0), 247054594)],
)
def test_a_seed_is_the_same_on_every_machine(parts: tuple[int | str, ...], seed: int) -> None:
    assert derive_seed(*parts) == seed


@given(st.lists(st.integers() | st.text()))
def test_a_seed_fits_every_generator(parts: list[int | str]) -> None:
    assert 0 <= derive_seed(*parts) < 2**31


def test_seeds_of_1000_trials_in_3_arms_differ() -> None:
    seeds = {
        derive_seed(7, arm, number) for arm in ("hinet", "mmoe", "single") for number in range(1000)
    }
    assert len(seeds) == 3000


def draw(kind: str, seed: int, trials: int = 8) -> list[dict[str, object]]:
    """Parameters of a study whose sampler is made anew for each trial, as a coordinator does; two run at once."""
    study = optuna.create_study(direction="maximize")
    for number in range(trials):
        study.sampler = make_sampler(
            SamplerSpec(kind=kind, startup_trials=3), derive_seed(seed, number)
        )
        trial = study.ask()
        rate = trial.suggest_float("rate", 1e-4, 1e-2, log=True)
        if trial.suggest_categorical("attends", [True, False]):
            trial.suggest_int("width", 4, 64, log=True)
        trial.suggest_categorical("top", [None, 1, 2])
        if number % 2:
            study.tell(trial, rate)
            study.tell(number - 1, rate / 2)
    return [dict(trial.params) for trial in study.trials]


@pytest.mark.parametrize("kind", SAMPLERS)
def test_a_sampler_draws_conditional_spaces_without_a_warning(kind: str) -> None:
    drawn = draw(kind, 1)
    assert len({params["rate"] for params in drawn}) == 8


@pytest.mark.parametrize("kind", SAMPLERS)
def test_the_same_seed_draws_the_same(kind: str) -> None:
    assert draw(kind, 1, 6) == draw(kind, 1, 6)


@pytest.mark.parametrize("kind", SAMPLERS)
def test_another_seed_draws_something_else(kind: str) -> None:
    assert draw(kind, 1, 2) != draw(kind, 2, 2)


@pytest.mark.parametrize("kind", ["tpe", "gp"])
def test_a_sampler_that_learns_draws_at_random_before_its_startup_trials(kind: str) -> None:
    sampler = make_sampler(SamplerSpec(kind=kind, startup_trials=5), 3)
    assert sampler._n_startup_trials == 5


def test_nothing_is_printed_of_conditional_parameters_that_gp_draws_at_random(
    caplog: pytest.LogCaptureFixture,
) -> None:
    study = optuna.create_study(sampler=make_sampler(SamplerSpec(kind="gp", startup_trials=2), 3))
    optuna.logging.enable_propagation()
    try:
        for number in range(5):
            trial = study.ask()
            trial.suggest_float("rate", 0.0, 1.0)
            if number % 2:
                trial.suggest_float("dropout", 0.0, 1.0)
            study.tell(trial, float(number))
    finally:
        optuna.logging.disable_propagation()
    assert [message.message for message in caplog.records if message.levelname == "WARNING"] == []


def first_pruned_step(kind: str, after_passes: float, startup_trials: int = 4) -> int | None:
    """The evaluation at which a hopeless trial is given up, beside 15 better ones; None when it never is."""
    spec = PrunerSpec(kind=kind, after_passes=after_passes, startup_trials=startup_trials)
    study = optuna.create_study(
        direction="maximize",
        pruner=make_pruner(spec, PASSES, PER_PASS),
        study_name="prune",
        sampler=optuna.samplers.RandomSampler(seed=0),
    )
    last = math.ceil(PASSES * PER_PASS)
    for _ in range(15):
        good = study.ask()
        for step in range(1, last + 1):
            good.report(0.8, step)
            assert (
                not good.should_prune()
            )  # asked at every evaluation, as in a search: asha counts who was asked
        study.tell(good, 0.8)
    bad = study.ask()
    for step in range(1, last + 1):
        bad.report(0.5, step)
        if bad.should_prune():
            return step
    return None


@pytest.mark.parametrize("kind", ["median", "asha"])
@pytest.mark.parametrize(("after_passes", "step"), [(1.5, 6), (0.5, 2), (2.0, 8), (1.1, 5)])
def test_a_hopeless_trial_is_pruned_at_the_first_evaluation_after_its_grace(
    kind: str, after_passes: float, step: int
) -> None:
    assert first_pruned_step(kind, after_passes) == step


def test_hyperband_prunes_a_hopeless_trial_but_not_before_its_grace_ends() -> None:
    step = first_pruned_step("hyperband", 1.0)
    assert step is not None
    assert step >= 4


def test_without_a_pruner_no_trial_is_given_up() -> None:
    assert first_pruned_step("none", 0.0) is None


@pytest.mark.parametrize("kind", PRUNERS)
def test_passes_that_no_trial_has_mean_that_none_is_given_up(kind: str) -> None:
    assert first_pruned_step(kind, PASSES + 1) is None


def test_the_median_waits_for_its_startup_trials() -> None:
    assert first_pruned_step("median", 0.5, startup_trials=15) == 2
    assert first_pruned_step("median", 0.5, startup_trials=16) is None


@pytest.mark.parametrize("kind", PRUNERS)
@pytest.mark.parametrize("passes", [0.1, 1.0, 20.0])
def test_a_pruner_can_be_made_for_any_passes(kind: str, passes: float) -> None:
    pruner = make_pruner(PrunerSpec(kind=kind, after_passes=0), passes, 1)
    study = optuna.create_study(direction="maximize", pruner=pruner)
    trial = study.ask()
    trial.report(0.5, 1)
    assert not trial.should_prune()
