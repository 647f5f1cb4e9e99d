"""Seeds that train together: each has its own course and its own end."""

import time
from collections.abc import Sequence

import pytest
import torch
from fake_models import CPU, DATA, Linear, Watch, linear, scripted
from torch import Tensor, nn

from hinet_search.objective import objective_named
from hinet_search.schema import Batch
from hinet_search.training import together
from hinet_search.training.config import TrainConfig
from hinet_search.training.course import Conditions, FitResult, begin, finish
from hinet_search.training.divergence import Diverged
from hinet_search.training.feed import make_feed
from hinet_search.training.seeding import seeded_model
from hinet_search.training.stacked import Stack, fit_stacked
from hinet_search.training.together import fit_together

PAYS, PAYS_NOT = 1e9, 0.0  # parts of the time of lone steps that a stacked step may take


def conditions(seeds: Sequence[int], **train: object) -> list[Conditions]:
    config = TrainConfig.model_validate({"batch_size": 32, "patience": 0, **train})
    objective = objective_named("macro_auc")
    return [Conditions(DATA, DATA.full_schema, config, seed, seeds[0], objective, CPU) for seed in seeds]


def test_a_model_that_diverges_leaves_the_others_alone() -> None:
    models = [linear(DATA, seed) for seed in (1, 2, 3)]
    with torch.no_grad():
        models[1].heads[0].weight.fill_(torch.nan)
    first, lost, last = fit_stacked(
        models, conditions((1, 2, 3), passes=4, learning_rate=0.03), [Watch() for _ in models]
    )
    assert isinstance(lost, Diverged)
    assert (lost.step, lost.what) == (1, "loss")
    for result in (first, last):
        assert isinstance(result, FitResult)
        assert len(result.evaluations) > 0
        assert result.valid_objective > 0.9


def test_each_runs_out_of_its_own_patience_and_keeps_its_own_best() -> None:
    models = [scripted(0.9, 0.1, 0.1, 0.1), scripted(0.1, 0.2, 0.3, 0.9)]
    watches = [Watch(), Watch()]
    given = conditions((0, 1), passes=4, evaluations_per_pass=1, patience=2)
    found = fit_stacked(models, given, watches)
    assert [len(watch.records) for watch in watches] == [3, 4]
    assert [result.best_step for result in found] == [1, 4]
    assert [int(model.mark) for model in models] == [10, 40]  # steps until the best one, of 10 a pass


def test_training_ends_when_all_are_out_of_patience() -> None:
    models = [scripted(0.9, 0.1, 0.1), scripted(0.8, 0.1, 0.1)]
    given = conditions((0, 1), passes=9, evaluations_per_pass=1, patience=2)
    found = fit_stacked(models, given, [Watch(), Watch()])
    assert [len(result.evaluations) for result in found] == [3, 3]
    assert [result.stopped for result in found] == [False, False]


def test_one_watcher_stops_all_that_are_not_done() -> None:
    found = fit_stacked(
        [linear(DATA), linear(DATA, 1)], conditions((0, 1), evaluations_per_pass=1), [Watch(), Watch(stop_after=3)]
    )
    assert [(result.stopped, result.best_step, len(result.evaluations)) for result in found] == [(True, 0, 0)] * 2


def test_seconds_of_a_stack_are_shared_out() -> None:
    models, watches = [linear(DATA, seed) for seed in range(4)], [Watch() for _ in range(4)]
    began = time.perf_counter()
    found = fit_stacked(models, conditions(range(4), passes=2), watches)
    took = time.perf_counter() - began
    assert took / 2 < sum(result.seconds for result in found) <= took
    assert all(result.rows_per_second > 640 / sum(one.seconds for one in found) for result in found)


def test_the_speed_of_one_that_was_evaluated_longer_than_others_is_that_of_its_share_of_the_steps() -> None:
    trainings = [begin(linear(DATA, seed), one, 0.0) for seed, one in enumerate(conditions((0, 1)))]
    states = [state for _, state in trainings]
    for state, evaluating in zip(states, (1.0, 7.0), strict=True):
        state.loop_began, state.evaluation_seconds, state.rows = time.perf_counter() - 10.0, evaluating, 640
    found = [finish(course, state, stopped=False, together=states) for course, state in trainings]
    assert [result.rows_per_second for result in found] == pytest.approx(
        [640.0, 640.0], rel=0.1
    )  # a second of steps each


def test_each_models_gradients_are_clipped_by_their_own_norm() -> None:
    stack = Stack([linear(DATA, 1), linear(DATA, 2)])
    for weight in stack.weights.values():
        weight.grad = torch.ones_like(weight)
        weight.grad[1] *= 0.001
    size = sum(weight[0].numel() for weight in stack.weights.values())
    norm_K = stack.clip_gradients(1.0)
    torch.testing.assert_close(norm_K, torch.tensor([size**0.5, 0.001 * size**0.5]))
    left = [sum(weight.grad[k].square().sum() for weight in stack.weights.values()).sqrt() for k in range(2)]
    torch.testing.assert_close(torch.stack(left), torch.tensor([1.0, 0.001 * size**0.5]), rtol=1e-4, atol=0)


@pytest.mark.parametrize("worth", [PAYS, PAYS_NOT])
def test_stacked_or_not_all_seeds_see_the_rows_of_one_order(worth: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "WORTH", worth)
    seen: list[Tensor] = []

    def build() -> nn.Module:
        return Linear(DATA.full_schema, see=lambda batch: seen.append(batch.numeric_BN[:, 0].clone()))

    models = [seeded_model(build, seed) for seed in (1, 2)]
    fit_together(models, conditions((1, 2), passes=1, evaluations_per_pass=1), [Watch(), Watch()])
    orders = [batch for batch in seen if len(batch) == 32]
    whole = torch.cat(orders[-10:])
    assert torch.equal(whole.sort().values, torch.from_numpy(DATA.train.numeric_RN[:, 0]).sort().values)
    if worth == PAYS_NOT:
        assert torch.equal(torch.cat(orders[-20:-10]), whole)


def test_a_probe_leaves_the_models_as_they_are() -> None:
    models = [linear(DATA, seed, dropout=0.5) for seed in (1, 2)]
    before = [{name: weight.clone() for name, weight in model.state_dict().items()} for model in models]
    state = torch.get_rng_state()
    together.stacking_pays(models, conditions((1, 2))[0])
    assert torch.equal(torch.get_rng_state(), state)
    for model, kept in zip(models, before, strict=True):
        assert all(torch.equal(weight, kept[name]) for name, weight in model.state_dict().items())


def test_dropout_draws_apart_for_each_model() -> None:
    class Drops(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(()))
            self.dropout = nn.Dropout(0.5)

        def forward(self, batch: Batch) -> Tensor:
            return self.dropout(self.weight.expand(len(batch), 2))

    batch, _ = make_feed(DATA.train, CPU).select(torch.arange(64))
    first, second = Stack([Drops(), Drops()]).logits(batch)
    assert not torch.equal(first, second)


def test_one_that_diverges_alone_leaves_the_others_to_train(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "WORTH", PAYS_NOT)
    models = [linear(DATA, seed) for seed in (1, 2)]
    with torch.no_grad():
        models[0].heads[0].weight.fill_(torch.nan)
    lost, found = fit_together(models, conditions((1, 2)), [Watch(), Watch()])
    assert isinstance(lost, Diverged)
    assert isinstance(found, FitResult)
