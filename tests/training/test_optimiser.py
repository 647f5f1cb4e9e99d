"""The loss, weight decay, embedding L2, clipping and learning rates."""

import pytest
import torch
from datasets import separable
from fake_models import CPU, linear
from torch import nn

from hinet_search.data.encoded_folder import open_encoding
from hinet_search.data.prepare import prepare
from hinet_search.training.feed import make_feed
from hinet_search.training.optimiser import clip_gradients, make_optimiser, times_the_penalty
from hinet_search.training.train_config import TrainConfig
from tests.data.tables import definition, shop, write

DATA = separable()
FEED = make_feed(DATA.train, CPU)


def config(**train: object) -> TrainConfig:
    return TrainConfig.model_validate(train)


def step_with_zero_gradients(model: nn.Module, train: TrainConfig) -> None:
    optimiser = make_optimiser(model, train)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimiser.step()


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


def test_a_model_without_embeddings_has_one_group():
    assert len(make_optimiser(nn.Linear(2, 1), config()).param_groups) == 1


@pytest.mark.parametrize("on_sample", [False, True])
def test_embedding_l2_adds_its_part_of_the_weight_to_the_gradient_of_every_row(on_sample):
    model = linear(DATA)
    batch, _ = FEED.select((FEED.ids_RF[:, 0] == 2).nonzero()[:, 0])
    table = model.embedding.table.weight
    expected = nn.Parameter(table.detach().clone())
    adam = torch.optim.Adam([expected], lr=0.01)
    times_V1 = torch.tensor([[1.0], [3.0], [0.5], [1.0], [1.0], [2.0]]) if on_sample else 1
    times_V = times_V1.squeeze(1) if on_sample else None
    optimiser = make_optimiser(model, config(learning_rate=0.01, embedding_l2=0.5), times_V)
    for _ in range(3):
        optimiser.zero_grad()
        model(batch).sum().backward()
        expected.grad = table.grad + 0.5 * times_V1 * expected.detach()
        optimiser.step()
        adam.step()
        assert torch.allclose(table, expected, rtol=1e-5, atol=1e-7)


def test_with_touched_rows_embedding_l2_pulls_those_of_the_batch():
    penalised, plain = linear(DATA), linear(DATA)
    before = plain.embedding.table.weight.detach().clone()
    batch, _ = FEED.select((FEED.ids_RF[:, 0] == 2).nonzero()[:, 0])
    for model, strength in ((penalised, 1e3), (plain, 0.0)):
        optimiser = make_optimiser(
            model, config(embedding_optimiser="lazy_adam", embedding_l2=strength)
        )
        model(batch).sum().backward()
        if model is plain:
            touched = torch.sparse_coo_tensor(
                [[2]], 1e3 * before[[2]], before.shape, check_invariants=True
            )
            plain.embedding.table.weight.grad += touched
        optimiser.step()
    after = penalised.embedding.table.weight
    assert torch.equal(before[[0, 1, 3, 4, 5]], after[[0, 1, 3, 4, 5]])
    torch.testing.assert_close(after, plain.embedding.table.weight)


def steps_with(id_R, wanted, batch_size):
    """Return in how many batches of an epoch an id is, the mean over epochs."""
    generator = torch.Generator().manual_seed(5)
    epochs = [torch.randperm(len(id_R), generator=generator) for _ in range(200)]
    batches = [rows_B for rows_R in epochs for rows_B in rows_R.split(batch_size)]
    return sum((id_R[rows_B] == wanted).any().item() for rows_B in batches) / len(epochs)


@pytest.mark.parametrize("batch_size", [16, 128])
@pytest.mark.parametrize("name", ["adam", "lazy_adam"])
def test_the_penalty_of_an_id_counts_as_much_on_a_sample_as_on_all_rows(name, batch_size, tmp_path):
    """Beside the labels of its rows, over an epoch: users are whole in the sample, items shrink."""
    table, given = shop(3000), config(embedding_optimiser=name, batch_size=batch_size)
    write(table, tmp_path)
    sample = prepare(definition(), tmp_path, tmp_path / "cache", lambda _: None, 0.3)
    whole = prepare(definition(), tmp_path, tmp_path / "cache", lambda _: None)
    times_V = times_the_penalty(sample, sample.full_schema, given)
    vocabularies = [open_encoding(data.folder).vocabularies for data in (sample, whole)]
    first = 0
    for number in range(2):
        values, of_all = (each[number].table["value"].to_list() for each in vocabularies)
        assert times_V[first] == 1, "unknown"
        for place in (0, len(values) - 1):
            per_row = []
            for data, known in ((sample, values), (whole, of_all)):
                id_R = torch.from_numpy(data.train.ids_RF[:, number].copy())
                wanted = known.index(values[place]) + 1
                steps = -(-len(id_R) // batch_size)
                if name != "adam":
                    steps = steps_with(id_R, wanted, batch_size)
                per_row.append(steps / (id_R == wanted).sum().item())
            on_sample, on_all = per_row
            assert times_V[first + 1 + place] * on_sample == pytest.approx(on_all, rel=0.04)
        first += 1 + len(values)


def test_a_share_of_the_rates_moves_weights_by_that_share():
    moves = []
    for share in (1.0, 0.25):
        weight = nn.Parameter(torch.ones(3))
        optimiser = make_optimiser(nn.ParameterList([weight]), config(learning_rate=0.1))
        weight.grad = torch.tensor([1.0, -2.0, 3.0])
        optimiser.step(share)
        moves.append(1 - weight.detach())
    # Adam's first step is as long as the rate; weight decay has the same share of it.
    assert torch.allclose(moves[1], 0.25 * moves[0], rtol=1e-5)


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
