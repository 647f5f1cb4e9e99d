"""Learning rates fall to 0 by equal amounts, over the passes that a training may take."""

from dataclasses import replace

import pytest
import torch
from fake_models import CPU, DATA, Linear, Watch, fit_on, linear, scripted

from hinet_search.results.objectives import objective_named
from hinet_search.training.feed import make_feed
from hinet_search.training.fit import fit
from hinet_search.training.loss import own_scenario_loss
from hinet_search.training.row_order import batches_of_pass
from hinet_search.training.run_state import Conditions, FixedSteps, make_schedule
from hinet_search.training.train_config import TrainConfig

RATE, SEED, PASSES = 0.05, 7, 2
STEPS_OF_A_PASS = 10
CONFIG = TrainConfig(
    batch_size=32, learning_rate=RATE, patience=0, passes=PASSES, rate_decay=True, clip_norm=0.0
)
CONDITIONS = Conditions(DATA, DATA.full_schema, CONFIG, SEED, objective_named("macro_auc"), CPU)


def by_hand(model: Linear, num_steps: int) -> None:
    """Train by torch's own optimisers, whose rates are set before every step."""
    table = model.embedding.table.weight
    dense = [weight for weight in model.parameters() if weight is not table]
    optimisers = [torch.optim.AdamW(dense, weight_decay=1e-3), torch.optim.Adam([table])]
    feed = make_feed(DATA.train, CPU)
    step = 0
    for pass_number in range(PASSES):
        order = batches_of_pass(DATA.train.num_rows, 32, "rows", seed=SEED, pass_number=pass_number)
        for rows_B in order:
            if step == num_steps:
                return
            batch, labels_BT = feed.select(feed.by_scenario(rows_B))
            model.zero_grad()
            own_scenario_loss(model(batch).float(), labels_BT).backward()
            for optimiser in optimisers:
                optimiser.param_groups[0]["lr"] = RATE * (1 - step / (PASSES * STEPS_OF_A_PASS))
                optimiser.step()
            step += 1


def test_a_schedule_starts_at_the_whole_rate_and_its_last_step_has_one_part_of_it():
    schedule = make_schedule(DATA.train.num_rows, CONFIG)
    total = PASSES * STEPS_OF_A_PASS
    assert [schedule.rate_share(step) for step in range(total)] == pytest.approx(
        [(total - step) / total for step in range(total)]
    )


def test_without_decay_every_step_has_the_whole_rate():
    schedule = make_schedule(DATA.train.num_rows, replace_config(rate_decay=False))
    assert {schedule.rate_share(step) for step in range(20)} == {1.0}


def replace_config(**values: object) -> TrainConfig:
    return TrainConfig.model_validate({**CONFIG.model_dump(), **values})


@pytest.mark.parametrize("num_steps", [PASSES * STEPS_OF_A_PASS, 13])
def test_weights_are_those_of_steps_by_hand_also_where_a_refit_ends_earlier(num_steps):
    ours, theirs = linear(DATA, SEED).double(), linear(DATA, SEED).double()
    # It is evaluated after the last step alone, so it ends with its latest weights.
    given = replace(CONDITIONS, fixed_steps=FixedSteps(num_steps, STEPS_OF_A_PASS))
    fit(ours, given, Watch())
    by_hand(theirs, num_steps)
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=1e-9, atol=1e-9)


def test_a_length_beyond_the_planned_passes_has_rates_above_0():
    given = replace(CONDITIONS, fixed_steps=FixedSteps(35, STEPS_OF_A_PASS))
    result = fit(linear(DATA, SEED), given, Watch())
    assert result.evaluations[-1].passes == pytest.approx(3.5)


def test_patience_ends_a_training_only_once_half_of_the_rates_is_gone():
    qualities = [0.9, *[0.1] * 30]
    for decays, num_evaluations in ((True, 10), (False, 4)):
        result = fit_on(
            DATA,
            scripted(*qualities),
            passes=4,
            evaluations_per_pass=5,
            patience=3,
            rate_decay=decays,
        )
        assert len(result.evaluations) == num_evaluations
        assert result.best_step == 1


def test_stored_settings_of_other_trainings_stay_as_they_were():
    assert "rate_decay" not in TrainConfig().model_dump(mode="json")
    assert TrainConfig(rate_decay=True).model_dump(mode="json")["rate_decay"] is True
