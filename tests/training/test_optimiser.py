"""The loss, weight decay, embedding L2, clipping and learning rates."""

import math

import pytest
import torch
from datasets import separable
from fake_models import CPU, linear
from torch import nn

from hinet_search.training.feed import make_feed
from hinet_search.training.loss import own_scenario_loss
from hinet_search.training.optimiser import EmbeddingPenalty, clip_gradients, make_optimiser
from hinet_search.training.train_config import TrainConfig

DATA = separable()
FEED = make_feed(DATA.train, CPU)


def config(**train: object) -> TrainConfig:
    return TrainConfig.model_validate(train)


def step_with_zero_gradients(model: nn.Module, train: TrainConfig) -> None:
    optimiser = make_optimiser(model, train)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimiser.step()


def test_the_loss_is_the_mean_over_rows_and_tasks():
    logits_BT = torch.tensor([[0.0, math.log(3)], [0.0, 0.0]])
    labels_BT = torch.tensor([[1.0, 1.0], [0.0, 1.0]])
    expected = (3 * math.log(2) + math.log(4 / 3)) / 4
    assert own_scenario_loss(logits_BT, labels_BT).item() == pytest.approx(expected, rel=1e-6)


def test_rows_of_one_scenario_give_the_heads_of_the_other_exactly_no_gradient():
    model = linear(DATA)
    batch, labels_BT = FEED.select((FEED.scenario_R == 0).nonzero()[:, 0])
    own_scenario_loss(model(batch), labels_BT).backward()
    assert not model.heads[1].weight.grad.any()
    assert model.heads[0].weight.grad.any()


def test_weight_decay_shrinks_dense_weights_and_leaves_embeddings_alone():
    model = linear(DATA)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    step_with_zero_gradients(model, config(learning_rate=0.1, weight_decay=0.5))
    after = model.state_dict()
    assert torch.equal(after["embedding.table.weight"], before["embedding.table.weight"])
    assert torch.allclose(after["heads.0.weight"], before["heads.0.weight"] * (1 - 0.1 * 0.5))


def test_the_embedding_multiplier_scales_the_embeddings_step_alone():
    model = linear(DATA)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    optimiser = make_optimiser(
        model, config(learning_rate=0.1, embedding_learning_rate_multiplier=0.3, weight_decay=0.0)
    )
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimiser.step()  # Adam's first step is the learning rate
    moved = {
        name: float((before[name] - tensor).mean()) for name, tensor in model.state_dict().items()
    }
    assert moved["embedding.table.weight"] == pytest.approx(0.03, rel=1e-4)
    assert moved["heads.1.bias"] == pytest.approx(0.1, rel=1e-4)


def test_every_parameter_is_optimised_exactly_once():
    model = linear(DATA)
    optimised = [
        id(parameter)
        for group in make_optimiser(model, config()).param_groups
        for parameter in group["params"]
    ]
    assert sorted(optimised) == sorted(id(parameter) for parameter in model.parameters())


def test_a_model_without_embeddings_has_one_group():
    assert len(make_optimiser(nn.Linear(2, 1), config()).param_groups) == 1


def test_embedding_l2_is_the_squared_norm_of_looked_up_rows_per_row_of_the_batch():
    model = linear(DATA)
    penalty = EmbeddingPenalty(model, 0.5)
    batch, _ = FEED.select(torch.arange(8))
    model(batch)
    expected = 0.5 * model.embedding.table.weight[batch.ids_BF[:, 0].long()].square().sum() / 8
    assert penalty.take(8).item() == pytest.approx(expected.item(), rel=1e-6)


def test_embedding_l2_gives_gradient_to_touched_rows_only():
    model = linear(DATA)
    penalty = EmbeddingPenalty(model, 0.5)
    batch, _ = FEED.select((FEED.ids_RF[:, 0] == 2).nonzero()[:, 0])
    model(batch)
    penalty.take(len(batch)).backward()
    gradient = model.embedding.table.weight.grad
    assert torch.allclose(gradient[2], model.embedding.table.weight[2].detach(), rtol=1e-5)
    assert not gradient[[0, 1, 3, 4, 5]].any()


def test_look_ups_of_an_evaluation_are_not_penalised():
    model = linear(DATA)
    penalty = EmbeddingPenalty(model, 0.5)
    batch, _ = FEED.select(torch.arange(8))
    model.eval()(batch)
    model.train()(batch)
    once = penalty.take(8).item()
    model(batch)
    assert penalty.take(8).item() == once


@pytest.mark.parametrize(("clip_norm", "norm_after"), [(1.0, 1.0), (10.0, 5.0), (0.0, 5.0)])
def test_gradients_are_scaled_to_the_clip_norm_and_no_further(clip_norm, norm_after):
    weights = [
        nn.Parameter(torch.zeros(1)),
        nn.Parameter(torch.zeros(1)),
        nn.Parameter(torch.zeros(1)),
    ]
    weights[0].grad, weights[1].grad = torch.tensor([3.0]), torch.tensor([4.0])
    assert clip_gradients(weights, clip_norm).item() == 5.0
    assert float(torch.cat([weights[0].grad, weights[1].grad]).norm()) == pytest.approx(
        norm_after, rel=1e-5
    )
