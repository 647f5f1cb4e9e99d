"""Stacked seeds: each has its own training run and its own end."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_models import CPU, DATA, Linear, Watch, linear, of_rows, scores, weights_hash
from torch import Tensor, nn

from hinet_search.models.layers.batch import Batch
from hinet_search.results.objectives import objective_named
from hinet_search.results.records import EvaluationRecord
from hinet_search.training import fit_stacked as stacked
from hinet_search.training.checkpoint import Checkpoints
from hinet_search.training.divergence import Diverged
from hinet_search.training.fit import fit
from hinet_search.training.fit_stacked import fit_stacked, fit_together
from hinet_search.training.make_feed import make_feed
from hinet_search.training.run_state import Conditions, FitResult
from hinet_search.training.seeding import seeded_model
from hinet_search.training.stack import Stack
from hinet_search.training.stack_probe import stack_is_faster
from hinet_search.training.train_config import TrainConfig

STEPS_PER_PASS = 10


def make_conditions(seeds: Sequence[int], **train: object) -> list[Conditions]:
    config = TrainConfig.model_validate({"batch_size": 32, "patience": 0, **train})
    objective = objective_named("macro_auc")
    return [
        Conditions(DATA, DATA.full_schema, config, seed, seeds[0], objective, CPU) for seed in seeds
    ]


def test_a_model_that_diverges_leaves_the_others_alone() -> None:
    models = [linear(DATA, seed) for seed in (1, 2, 3)]
    with torch.no_grad():
        models[1].heads[0].weight.fill_(torch.nan)
    first, lost, last = fit_stacked(
        models, make_conditions((1, 2, 3), passes=4, learning_rate=0.03), [Watch() for _ in models]
    )
    assert isinstance(lost, Diverged)
    assert (lost.step, lost.what) == (1, "loss")
    for result in (first, last):
        assert isinstance(result, FitResult)
        assert len(result.evaluations) > 0
        assert result.valid_objective > 0.9


class ScriptedByStep(nn.Module):
    """Gives validation rows scripted scores, one entry per pass; `mark` counts training steps."""

    def __init__(self, *qualities: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.register_buffer("scripts_ERT", torch.stack([scores(each) for each in qualities]))
        self.register_buffer("mark", torch.zeros((), dtype=torch.int64))

    def forward(self, batch: Batch) -> Tensor:
        if self.training:
            self.mark += 1
            return self.weight * batch.numeric_BN[:, :1].expand(-1, 2)
        passes_done = self.mark // STEPS_PER_PASS
        return of_rows(self.scripts_ERT.index_select(0, passes_done.view(1) - 1)[0], batch)


def test_each_runs_out_of_its_own_patience_and_keeps_its_own_best() -> None:
    models = [ScriptedByStep(0.9, 0.1, 0.1, 0.1), ScriptedByStep(0.1, 0.2, 0.3, 0.9)]
    watches = [Watch(), Watch()]
    conditions = make_conditions((0, 1), passes=4, evaluations_per_pass=1, patience=2)
    results = fit_stacked(models, conditions, watches)
    assert [len(watch.records) for watch in watches] == [3, 4]
    assert [result.best_step for result in results] == [1, 4]
    # Steps until the best evaluation.
    assert [int(model.mark) for model in models] == [STEPS_PER_PASS, 4 * STEPS_PER_PASS]


def test_each_may_have_its_own_patience() -> None:
    models = [ScriptedByStep(0.9, 0.1, 0.1, 0.1, 0.1) for _ in range(3)]
    given = make_conditions((0, 1, 2), passes=5, evaluations_per_pass=1)
    given = [
        replace(each, config=each.config.model_copy(update={"patience": patience}))
        for each, patience in zip(given, (1, 3, 0), strict=True)
    ]
    results = fit_stacked(models, given, [Watch() for _ in models])
    assert [len(result.evaluations) for result in results] == [2, 4, 5]


def test_training_ends_when_all_are_out_of_patience() -> None:
    models = [ScriptedByStep(0.9, 0.1, 0.1), ScriptedByStep(0.8, 0.1, 0.1)]
    conditions = make_conditions((0, 1), passes=9, evaluations_per_pass=1, patience=2)
    results = fit_stacked(models, conditions, [Watch(), Watch()])
    assert [len(result.evaluations) for result in results] == [3, 3]
    assert [result.stopped for result in results] == [False, False]


def test_a_watcher_stops_its_own_model_and_the_others_go_on() -> None:
    ends: list[tuple[int, bool]] = []
    results = fit_stacked(
        [linear(DATA, seed) for seed in (0, 1, 2)],
        make_conditions((0, 1, 2), passes=2, evaluations_per_pass=1),
        [Watch(), Watch(stop_after=3), Watch(stop_after=13)],
        ended=lambda number, outcome: ends.append((number, outcome.stopped)),
    )
    assert [(result.stopped, len(result.evaluations)) for result in results] == [
        (False, 2),
        (True, 0),
        (True, 1),
    ]
    assert ends == [(1, True), (2, True), (0, False)]


def test_what_stops_all_stops_them_at_the_same_step() -> None:
    stop = [False]

    class Stopped(Watch):
        def should_stop(self) -> bool:
            self.asked += 1
            stop[0] = stop[0] or (self.last and self.asked == 5)
            return stop[0]

        last = False

    watches = [Stopped(), Stopped(), Stopped()]
    watches[2].last = True
    saved: list[int] = []
    kept = [Checkpoints(Path("/nowhere"), str(k)) for k in range(3)]
    for each in kept:
        each.save = lambda step, _content: saved.append(step)  # type: ignore[method-assign]
    models = [linear(DATA, seed) for seed in (0, 1, 2)]
    results = fit_stacked(models, make_conditions((0, 1, 2)), watches, kept)
    assert all(result.stopped for result in results)
    assert saved == [4, 4, 4]


def test_a_stack_without_those_that_ended_goes_on_as_each_alone() -> None:
    seeds = (0, 1, 2, 3)
    given = make_conditions(seeds, passes=3, evaluations_per_pass=1, learning_rate=0.01)
    models, alone = ([linear(DATA, seed).double() for seed in seeds] for _ in range(2))
    watches = [Watch(stop_after=stop) for stop in (None, 4, None, 17)]
    fit_stacked(models, given, watches)
    for number in (0, 2):
        fit(alone[number], given[number], Watch())
        torch.testing.assert_close(
            models[number].state_dict(), alone[number].state_dict(), rtol=1e-6, atol=1e-7
        )


def test_seconds_of_a_stack_are_shared_out() -> None:
    models, watches = [linear(DATA, seed) for seed in range(4)], [Watch() for _ in range(4)]
    began = time.perf_counter()
    results = fit_stacked(models, make_conditions(range(4), passes=2), watches)
    took = time.perf_counter() - began
    assert took / 2 < sum(result.seconds for result in results) <= took
    seconds = sum(result.seconds for result in results)
    assert all(result.rows_per_second > 640 / seconds for result in results)


def test_those_that_go_on_count_larger_shares() -> None:
    class Slow(Watch):
        def should_stop(self) -> bool:
            time.sleep(0.002)
            return super().should_stop()

    watches = [Slow(), Watch(stop_after=10)]
    results = fit_stacked(
        [linear(DATA), linear(DATA, 1)], make_conditions((0, 1), passes=4), watches
    )
    assert results[0].seconds > 4 * results[1].seconds


def test_what_is_done_with_an_outcome_counts_for_no_training() -> None:
    began = time.perf_counter()
    results = fit_stacked(
        [linear(DATA, seed) for seed in range(3)],
        make_conditions(range(3), passes=2),
        [Watch(), Watch(stop_after=3), Watch()],
        ended=lambda _number, _outcome: time.sleep(0.3),
    )
    took = time.perf_counter() - began
    assert sum(result.seconds for result in results) <= took - 0.9


def test_a_longer_evaluation_of_one_model_does_not_change_its_speed() -> None:
    class Slow(Watch):
        def on_evaluation(self, record: EvaluationRecord) -> None:
            time.sleep(1.0)

    results = fit_stacked(
        [linear(DATA), linear(DATA, 1)], make_conditions((0, 1), passes=2), [Slow(), Watch()]
    )
    slow, other = (result.rows_per_second for result in results)
    assert slow == pytest.approx(other, rel=0.1)
    assert 640 / slow < 1.0


def test_each_models_gradients_are_clipped_by_their_own_norm() -> None:
    stack = Stack([linear(DATA, 1), linear(DATA, 2)])
    for weight in stack.weights.values():
        weight.grad = torch.ones_like(weight)
        weight.grad[1] *= 0.001
    size = sum(weight[0].numel() for weight in stack.weights.values())
    norm_K = stack.clip_gradients(torch.tensor([1.0, 1.0]))
    torch.testing.assert_close(norm_K, torch.tensor([size**0.5, 0.001 * size**0.5]))
    left = [
        sum(weight.grad[k].square().sum() for weight in stack.weights.values()).sqrt()
        for k in range(2)
    ]
    torch.testing.assert_close(
        torch.stack(left), torch.tensor([1.0, 0.001 * size**0.5]), rtol=1e-4, atol=0
    )


def test_a_model_whose_gradients_are_not_clipped_keeps_them_beside_one_whose_are() -> None:
    stack = Stack([linear(DATA, 1), linear(DATA, 2)])
    for weight in stack.weights.values():
        weight.grad = torch.full_like(weight, 1e4)
    stack.clip_gradients(torch.tensor([torch.inf, 1e-3]))
    for weight in stack.weights.values():
        assert torch.all(weight.grad[0] == 1e4)
        assert torch.all(weight.grad[1] < 1e-3)


@pytest.mark.parametrize("pays", [True, False])
def test_stacked_or_not_all_seeds_see_the_rows_of_one_order(
    monkeypatch: pytest.MonkeyPatch, *, pays: bool
) -> None:
    monkeypatch.setattr(stacked, "stacking_pays", lambda *_: pays)
    seen: list[Tensor] = []

    def build() -> nn.Module:
        return Linear(
            DATA.full_schema, see=lambda batch: seen.append(batch.numeric_BN[:, 0].clone())
        )

    models = [seeded_model(build, seed) for seed in (1, 2)]
    conditions = make_conditions((1, 2), passes=1, evaluations_per_pass=1)
    fit_together(models, conditions, [Watch(), Watch()])
    orders = [batch for batch in seen if len(batch) == 32]
    last_pass = torch.cat(orders[-10:])
    assert torch.equal(
        last_pass.sort().values, torch.from_numpy(DATA.train.numeric_RN[:, 0]).sort().values
    )
    if not pays:
        assert torch.equal(torch.cat(orders[-20:-10]), last_pass)


def pays(num_models: int, batch_size: int, vocabulary: int = 10, device: str = "cpu") -> bool:
    """Return whether small models of one linear layer are stacked."""
    (conditions,) = make_conditions((1,), batch_size=batch_size)
    schema = replace(DATA.full_schema, vocabulary_sizes=(vocabulary,))
    model = Linear(schema)
    given = replace(conditions, schema=schema, device=torch.device(device))
    return stacked.stacking_pays([model] * num_models, [given] * num_models)


def test_short_steps_are_stacked_and_long_ones_are_not() -> None:
    assert pays(5, batch_size=256)
    assert not pays(5, batch_size=10**9)


def test_a_large_table_whose_update_takes_most_of_a_step_is_not_stacked() -> None:
    assert not pays(5, batch_size=256, vocabulary=3_000_000)


def test_two_models_are_too_few_for_a_stack() -> None:
    assert (pays(2, batch_size=256), pays(3, batch_size=256)) == (False, True)


@pytest.mark.parametrize("faster", [True, False])
def test_on_a_gpu_a_probe_decides(monkeypatch: pytest.MonkeyPatch, *, faster: bool) -> None:
    monkeypatch.setattr(stacked, "stack_is_faster", lambda *_: faster)
    assert pays(2, batch_size=10**9, device="cuda") is faster


def test_a_probe_of_a_stack_leaves_models_and_generators_as_they_are() -> None:
    models = [linear(DATA, seed) for seed in (1, 2, 3)]
    before, state = [weights_hash(model) for model in models], torch.get_rng_state()
    assert isinstance(stack_is_faster(models, make_conditions((1, 2, 3))), bool)
    assert [weights_hash(model) for model in models] == before
    assert torch.equal(torch.get_rng_state(), state)


def test_a_probe_finds_that_many_small_models_are_faster_as_one() -> None:
    seeds = range(16)
    models = [linear(DATA, seed) for seed in seeds]
    assert stack_is_faster(models, make_conditions(seeds))


def test_a_split_is_scored_alike_by_one_model_after_another_and_by_all_at_once() -> None:
    feed = make_feed(DATA.valid, CPU)
    stack = Stack([linear(DATA, 1), linear(DATA, 2)])
    each_KRT, at_once_KRT = stack.scores(feed), stack.scores_at_once(feed, 48)
    np.testing.assert_allclose(each_KRT, at_once_KRT, rtol=1e-5, atol=1e-6)
    assert not np.array_equal(each_KRT[0], each_KRT[1])


def test_deciding_whether_a_stack_pays_leaves_the_model_as_it_is() -> None:
    model, state = linear(DATA, 1, dropout=0.5), torch.get_rng_state()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    stacked.stacking_pays([model] * 5, make_conditions((1,)) * 5)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


def test_models_with_dropout_of_torch_are_not_stacked() -> None:
    config = make_conditions((1,))[0].config
    assert stacked.can_stack(linear(DATA), config)
    assert not stacked.can_stack(linear(DATA, dropout=0.1), config)


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


def test_a_separate_training_that_diverges_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stacked, "stacking_pays", lambda *_: False)
    models = [linear(DATA, seed) for seed in (1, 2)]
    with torch.no_grad():
        models[0].heads[0].weight.fill_(torch.nan)
    lost, other = fit_together(models, make_conditions((1, 2)), [Watch(), Watch()])
    assert isinstance(lost, Diverged)
    assert isinstance(other, FitResult)
