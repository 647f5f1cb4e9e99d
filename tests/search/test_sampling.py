"""Seeds are the same on every machine, and samplers draw without a warning."""

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hinet_search.search.sampling import derive_seed, make_sampler
from hinet_search.study.study_spec import SamplerSpec

SAMPLERS = ("tpe", "random", "gp")


@pytest.mark.parametrize(
    ("parts", "seed"),
    [((7, "hinet", 0), 982512889), ((7, "hinet", 1), 1732523764), ((7, "trial", 0), 247054594)],
)
def test_a_seed_is_the_same_on_every_machine(parts: tuple[int | str, ...], seed: int) -> None:
    assert derive_seed(*parts) == seed


@given(st.lists(st.integers() | st.text()))
def test_a_seed_fits_every_generator(parts: list[int | str]) -> None:
    assert 0 <= derive_seed(*parts) < 2**31


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
def test_a_seed_decides_what_is_drawn_from_a_conditional_space(kind: str) -> None:
    drawn = draw(kind, 1)
    assert len({params["rate"] for params in drawn}) == 8
    assert draw(kind, 1) == drawn != draw(kind, 2)


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
