"""The training loop."""

import math
import pickle
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch
from fake_models import CPU, DATA, Linear, Watch, fit_on, linear, scripted
from torch import Tensor, nn

from hinet_search.models.layers.batch import Batch
from hinet_search.models.layers.number_encoding import bins_of
from hinet_search.training import row_order
from hinet_search.training.feed import make_feed, predict
from hinet_search.training.row_order import batches_of_epoch
from hinet_search.training.seeding import seeded_model
from hinet_search.training.step_log import PENDING_STEPS, Diverged, StepLog
from hinet_search.training.train_config import Shuffle
from hinet_search.training.trial_config import build_config
from tests.training.fake_models import weights_hash


def seen_rows(seed: int, dropout: float, shuffle: Shuffle = "rows") -> list[list[float]]:
    seen: list[list[float]] = []
    model = seeded_model(
        lambda: Linear(
            DATA.full_schema,
            dropout,
            see=lambda batch: seen.append(batch.numeric_BN[:, 0].tolist()),
        ),
        3,
    )
    fit_on(DATA, model, seed=seed, epochs=2, evaluations_per_epoch=1, shuffle=shuffle)
    return [rows for rows in seen if len(rows) == 32]


def test_a_separable_problem_is_learned():
    result = fit_on(DATA, linear(DATA), learning_rate=0.05, epochs=8)
    assert result.valid_objective is not None
    assert result.valid_objective > 0.99
    assert result.evaluations[-1].train_loss < result.evaluations[0].train_loss


class Sealed:
    """Columns that must not be read."""

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"the test split was opened: {name}")


def test_a_training_never_opens_the_test_split():
    sealed = replace(DATA, test=Sealed())
    result = fit_on(sealed, linear(DATA), epochs=1)
    assert sum(cell.rows for cell in result.valid_cells) == DATA.valid.num_rows * 2


def test_a_training_begins_with_the_bins_of_its_rows():
    config = build_config("shared_bottom", {"features.number_encoding": "bins"})
    model = config.build(config.features.schema_of(DATA))
    fit_on(DATA, model, epochs=1)
    low_K, _ = bins_of(DATA.train.numeric_RN[:, 0])
    numbers = model.embedding.numbers
    assert torch.equal(numbers.low_NK[0], torch.from_numpy(low_K).float())
    assert numbers.weight_NKE.grad.abs().sum() > 0


def test_patience_ends_training_after_that_many_evaluations_without_improvement():
    watch = Watch()
    result = fit_on(
        DATA,
        scripted(0.2, 0.8, 0.7, 0.6, 0.9),
        epochs=1,
        evaluations_per_epoch=5,
        patience=2,
        watch=watch,
    )
    assert len(result.evaluations) == 4
    assert tuple(watch.records) == result.evaluations
    assert not result.stopped


def test_an_improvement_restarts_patience():
    result = fit_on(
        DATA, scripted(0.5, 0.4, 0.8, 0.7, 0.9), epochs=1, evaluations_per_epoch=5, patience=2
    )
    assert len(result.evaluations) == 5


def test_patience_zero_never_ends_training():
    assert (
        len(fit_on(DATA, scripted(*[0.5] * 10), epochs=2, evaluations_per_epoch=5).evaluations)
        == 10
    )


def test_fractional_epochs_take_exactly_that_many_steps():
    model, watch = scripted(0.1, 0.2, 0.3), Watch()
    result = fit_on(DATA, model, epochs=1.5, evaluations_per_epoch=2, watch=watch)
    assert int(model.mark) == watch.asked == 15
    assert [record.epochs for record in result.evaluations] == [0.5, 1.0, 1.5]


def test_two_different_models_see_the_same_rows_in_the_same_order():
    assert seen_rows(0, dropout=0.0) == seen_rows(0, dropout=0.5)


@pytest.mark.parametrize("shuffle", get_args(Shuffle))
def test_rows_come_in_the_order_that_the_configuration_asks_for(shuffle, monkeypatch):
    monkeypatch.setattr(row_order, "BLOCK_ROWS", 50)  # one block alone is in the order of rows
    user_R = DATA.train.user_R
    batches = batches_of_epoch(len(user_R), 32, shuffle, seed=0, epoch_number=1, user_R=user_R)
    by_scenario = [
        sorted(rows_B.tolist(), key=lambda row: DATA.train.scenario_R[row]) for rows_B in batches
    ]
    assert seen_rows(0, 0.0, shuffle)[10:] == [
        DATA.train.numeric_RN[rows, 0].tolist() for rows in by_scenario
    ]


@pytest.mark.parametrize("ambient", [1, 2])
def test_the_same_seed_gives_the_same_weights_bit_for_bit(ambient):
    hashes = set()
    for disturbance in (0, ambient):
        torch.manual_seed(disturbance)
        model = linear(DATA, seed=4, dropout=0.5)
        fit_on(DATA, model, seed=4, epochs=1)
        hashes.add(weights_hash(model))
    assert len(hashes) == 1


def test_another_seed_gives_other_weights():
    hashes = set()
    for seed in (1, 2):
        model = linear(DATA, seed=0, dropout=0.5)
        fit_on(DATA, model, seed=seed, epochs=1)
        hashes.add(weights_hash(model))
    assert len(hashes) == 2


def test_fit_leaves_the_callers_generator_as_it_was():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    fit_on(DATA, linear(DATA, dropout=0.5), epochs=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_dropout_is_on_while_training_and_off_in_evaluation():
    modes: list[tuple[bool, bool]] = []

    class Spy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dropout, self.weight = nn.Dropout(0.5), nn.Parameter(torch.zeros(()))

        def forward(self, batch: Batch) -> Tensor:
            ones = torch.ones(100)
            modes.append((self.training, bool(torch.equal(self.dropout(ones), ones))))
            return self.weight * batch.numeric_BN

    model = Spy()
    fit_on(DATA, model, epochs=2, evaluations_per_epoch=2)
    assert set(modes) == {(True, False), (False, True)}
    assert not model.training


def test_embedding_l2_is_in_force_during_fit_and_kept_out_of_the_reported_loss():
    results, norms = [], []
    for strength in (0.0, 10.0):
        model = linear(DATA)
        results.append(
            fit_on(DATA, model, learning_rate=1e-3, embedding_l2=strength, epochs=1, clip_norm=0.0)
        )
        norms.append(model.embedding.table.weight.norm().item())
    assert norms[1] < 0.8 * norms[0]
    assert results[1].evaluations[0].train_loss == pytest.approx(
        results[0].evaluations[0].train_loss, abs=0.05
    )


class Blows(nn.Module):
    """Loss, gradient or scores become NaN at training step 7, or in evaluation."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what, self.calls, self.weight = what, 0, nn.Parameter(torch.ones(()))

    def forward(self, batch: Batch) -> Tensor:
        if not self.training:
            return batch.numeric_BN * (math.inf if self.what == "score" else 1.0)
        self.calls += 1
        if self.calls < 7 or self.what == "score":
            return self.weight * batch.numeric_BN
        if self.what == "loss":
            return self.weight * batch.numeric_BN * math.nan
        root = (self.weight - self.weight.detach()).sqrt()  # 0, with an infinite gradient
        return root + batch.numeric_BN


@pytest.mark.parametrize(("what", "step"), [("loss", 7), ("gradient norm", 7), ("score", 3)])
def test_training_that_leaves_the_finite_numbers_is_stopped_at_that_step(what, step):
    model = Blows(what)
    with pytest.raises(Diverged) as caught:
        fit_on(DATA, model, epochs=1, evaluations_per_epoch=3, learning_rate=0.01)
    assert (caught.value.what, caught.value.step, caught.value.learning_rate) == (what, step, 0.01)
    assert not math.isfinite(caught.value.value)
    assert torch.isfinite(model.weight), "the step was not taken"


def test_readings_taken_late_still_name_the_first_bad_step():
    readings = StepLog(learning_rate=0.1, at_once=False)
    for step in range(1, 6):
        readings.add(step, torch.tensor(math.inf if step >= 3 else 1.0), torch.tensor(1.0))
    with pytest.raises(Diverged, match=r"loss inf at step 3, learning rate 0\.1"):
        readings.read(5)


def test_readings_are_in_one_buffer_that_is_read_when_it_is_full():
    readings = StepLog(learning_rate=0.1, at_once=False)
    for step in range(1, PENDING_STEPS + 3):
        readings.add(step, torch.tensor(float(step)), torch.tensor(1.0))
    assert readings.num_losses == PENDING_STEPS
    readings.read(PENDING_STEPS + 2)
    assert readings.take_mean_loss() == (PENDING_STEPS + 3) / 2
    readings.add(PENDING_STEPS + 3, torch.tensor(5.0), torch.tensor(1.0))
    readings.add(PENDING_STEPS + 4, torch.tensor(1.0), torch.tensor(math.inf))
    with pytest.raises(Diverged, match=f"gradient norm inf at step {PENDING_STEPS + 4},"):
        readings.read(PENDING_STEPS + 4)


def test_a_divergence_survives_the_way_between_processes():
    error = pickle.loads(pickle.dumps(Diverged(7, 0.1, math.inf, "loss")))
    assert str(error) == "loss inf at step 7, learning rate 0.1"


@pytest.mark.parametrize("steps", [0, 1, 7])
def test_a_watcher_that_asks_to_stop_ends_training_before_the_next_step(steps):
    model = scripted(0.5)
    result = fit_on(DATA, model, epochs=4, evaluations_per_epoch=2, watch=Watch(stop_after=steps))
    assert result.stopped
    assert len(result.evaluations) == steps // 5
    assert (result.valid_objective is None) == (steps < 5)
    assert int(model.mark) == (5 if steps == 7 else steps), "with a best, it is restored"


def test_begin_epoch_is_called_before_the_first_step_of_every_epoch():
    events: list[object] = []

    class Following(Linear):
        def begin_epoch(self, epochs_done: int) -> None:
            events.append(epochs_done)

    model = Following(
        DATA.full_schema, see=lambda batch: events.append("step") if len(batch) == 32 else None
    )
    fit_on(DATA, model, epochs=2.1, evaluations_per_epoch=1)
    assert events == [0, *["step"] * 10, 1, *["step"] * 10, 2, "step"]


def test_predictions_do_not_depend_on_how_rows_are_cut_into_batches():
    model, feed = linear(DATA, dropout=0.5), make_feed(DATA.valid, CPU)
    scores_RT = predict(model, feed)
    assert scores_RT.dtype == np.float32
    assert scores_RT.shape == (200, 2)
    assert np.allclose(predict(model, feed, batch_size=7), scores_RT, atol=1e-6)


@pytest.mark.parametrize("training", [True, False])
def test_predicting_leaves_the_mode_of_the_model_as_it_was(training):
    model = linear(DATA).train(training)
    predict(model, make_feed(DATA.valid, CPU))
    assert model.training == training


def test_the_cost_of_training_is_measured():
    result = fit_on(DATA, linear(DATA), epochs=1)
    assert result.rows_per_second > 320 / result.seconds
    assert result.peak_memory_bytes > 1 << 20
    seconds = [record.seconds for record in result.evaluations]
    assert seconds == sorted(seconds)
    assert 0 < seconds[0] < seconds[-1] <= result.seconds
