"""Learning rates fall to 0 by equal amounts, or by a factor where validation stands still."""

from dataclasses import replace

import pytest
import torch
from fake_models import CPU, DATA, Linear, Watch, fit_on, linear, scripted, weights_hash

from hinet_search.results.objectives import objective_named
from hinet_search.training.feed import make_feed
from hinet_search.training.fit import fit
from hinet_search.training.loss import own_scenario_loss
from hinet_search.training.row_order import batches_of_epoch
from hinet_search.training.run_state import (
    Conditions,
    FixedSteps,
    best_evaluation,
    falls_at,
    make_schedule,
)
from hinet_search.training.train_config import TrainConfig

RATE, SEED, EPOCHS = 0.05, 7, 2
STEPS_OF_AN_EPOCH = 10
CONFIG = TrainConfig(
    batch_size=32, learning_rate=RATE, patience=0, epochs=EPOCHS, rate_decay=True, clip_norm=0.0
)
CONDITIONS = Conditions(DATA, DATA.full_schema, CONFIG, SEED, objective_named("macro_auc"), CPU)


def by_hand(model: Linear, num_steps: int) -> None:
    """Train by torch's own optimisers, whose rates are set before every step."""
    table = model.embedding.table.weight
    dense = [weight for weight in model.parameters() if weight is not table]
    optimisers = [torch.optim.AdamW(dense, weight_decay=1e-3), torch.optim.Adam([table])]
    feed = make_feed(DATA.train, CPU)
    step = 0
    for epoch_number in range(EPOCHS):
        order = batches_of_epoch(
            DATA.train.num_rows, 32, "rows", seed=SEED, epoch_number=epoch_number
        )
        for rows_B in order:
            if step == num_steps:
                return
            batch, labels_BT = feed.select(feed.by_scenario(rows_B))
            model.zero_grad()
            own_scenario_loss(model(batch).float(), labels_BT).backward()
            for optimiser in optimisers:
                optimiser.param_groups[0]["lr"] = RATE * (1 - step / (EPOCHS * STEPS_OF_AN_EPOCH))
                optimiser.step()
            step += 1


def test_a_schedule_starts_at_the_whole_rate_and_its_last_step_has_one_part_of_it():
    schedule = make_schedule(DATA.train.num_rows, CONFIG)
    total = EPOCHS * STEPS_OF_AN_EPOCH
    assert [schedule.rate_share(step) for step in range(total)] == pytest.approx(
        [(total - step) / total for step in range(total)]
    )


def test_without_decay_every_step_has_the_whole_rate():
    schedule = make_schedule(DATA.train.num_rows, replace_config(rate_decay=False))
    assert {schedule.rate_share(step) for step in range(20)} == {1.0}


def replace_config(**values: object) -> TrainConfig:
    return TrainConfig.model_validate({**CONFIG.model_dump(), **values})


@pytest.mark.parametrize("num_steps", [EPOCHS * STEPS_OF_AN_EPOCH, 13])
def test_weights_are_those_of_steps_by_hand_also_where_a_refit_ends_earlier(num_steps):
    ours, theirs = linear(DATA, SEED).double(), linear(DATA, SEED).double()
    # It is evaluated after the last step alone, so it ends with its latest weights.
    given = replace(CONDITIONS, fixed_steps=FixedSteps(num_steps, STEPS_OF_AN_EPOCH))
    fit(ours, given, Watch())
    by_hand(theirs, num_steps)
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=1e-9, atol=1e-9)


def test_a_length_beyond_the_planned_epochs_has_rates_above_0():
    given = replace(CONDITIONS, fixed_steps=FixedSteps(35, STEPS_OF_AN_EPOCH))
    result = fit(linear(DATA, SEED), given, Watch())
    assert result.evaluations[-1].epochs == pytest.approx(3.5)


def test_patience_ends_a_training_only_once_half_of_the_rates_is_gone():
    qualities = [0.9, *[0.1] * 30]
    for decays, num_evaluations in ((True, 10), (False, 4)):
        result = fit_on(
            DATA,
            scripted(*qualities),
            epochs=4,
            evaluations_per_epoch=5,
            patience=3,
            rate_decay=decays,
        )
        assert len(result.evaluations) == num_evaluations
        assert result.best_step == 1


# Evaluations 1, 2, 4 and 7 are better than all before them.
QUALITIES = [0.1, 0.2, 0.15, 0.4, 0.3, 0.2, 0.5, 0.1, 0.1, 0.1]


@pytest.mark.parametrize(("patience", "falls"), [(1, [3, 5, 6, 8, 9, 10]), (2, [6, 9]), (3, [10])])
def test_rates_fall_after_every_so_many_evaluations_in_a_row_without_improvement(patience, falls):
    config = replace_config(plateau_factor=0.1, plateau_patience=patience)
    result = fit_on(DATA, scripted(*QUALITIES), epochs=10, evaluations_per_epoch=1)
    objective = objective_named("macro_auc")
    assert [each.step for each in falls_at(result.evaluations, objective, config)] == falls
    assert falls_at(result.evaluations, objective, CONFIG) == []


@pytest.mark.parametrize("optimiser", ["adam", "lazy_adam"])
def test_the_rates_of_all_weights_fall_whatever_the_optimiser(optimiser):
    config = replace_config(plateau_factor=1e-9, embedding_optimiser=optimiser)

    def after(steps: FixedSteps) -> dict[str, torch.Tensor]:
        model = linear(DATA, SEED)
        fit(model, replace(CONDITIONS, config=config, fixed_steps=steps), Watch())
        return model.state_dict()

    fallen = after(FixedSteps(17, STEPS_OF_AN_EPOCH, falls=(5,)))
    torch.testing.assert_close(fallen, after(FixedSteps(5, STEPS_OF_AN_EPOCH)), rtol=0, atol=1e-6)


def test_a_refit_that_is_told_of_the_falls_takes_the_steps_of_its_training():
    config = replace_config(plateau_factor=0.5, learning_rate=0.5, epochs=8)
    given = replace(CONDITIONS, config=config)
    model = linear(DATA, SEED)
    evaluations = fit(model, given, Watch()).evaluations
    best = best_evaluation(evaluations, given.objective)
    falls = falls_at(evaluations, given.objective, config)
    total, *steps = [round(each.epochs * STEPS_OF_AN_EPOCH) for each in (best, *falls)]
    assert steps[0] < total, "rates fell before the best evaluation"
    for told in ((), tuple(steps)):
        refitted = linear(DATA, SEED)
        fixed_steps = FixedSteps(total, STEPS_OF_AN_EPOCH, told)
        fit(refitted, replace(given, fixed_steps=fixed_steps), Watch())
        assert (weights_hash(refitted) == weights_hash(model)) == bool(told)


def test_stored_settings_of_other_trainings_stay_as_they_were():
    assert "rate_decay" not in TrainConfig().model_dump(mode="json")
    assert TrainConfig(rate_decay=True).model_dump(mode="json")["rate_decay"] is True
    assert not [name for name in TrainConfig().model_dump(mode="json") if "plateau" in name]
