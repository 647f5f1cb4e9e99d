"""Adam of touched rows: how it updates a batch's rows and leaves all others alone."""

from dataclasses import dataclass, field
from typing import Literal

import pytest
import torch
from fake_models import CPU, DATA, linear
from torch import Tensor, nn

from hinet_search.training.feed import make_feed
from hinet_search.training.loss import own_scenario_loss
from hinet_search.training.optimiser import clip_gradients, make_optimiser
from hinet_search.training.touched_rows import LazyAdam, merged
from hinet_search.training.train_config import TrainConfig

NUM_ROWS, WIDTH, RATE = 7, 3, 0.1
CONFIG = TrainConfig(embedding_optimiser="lazy_adam")


def gradients(steps: int) -> list[tuple[list[int], Tensor]]:
    """Return the looked-up rows of every step, some repeated, and their gradients."""
    generator = torch.Generator().manual_seed(0)
    rows = [
        torch.randint(0, NUM_ROWS - 1, (4,), generator=generator).tolist() for _ in range(steps)
    ]
    return [
        (step_rows, torch.randn(4, WIDTH, generator=generator, dtype=torch.float64))
        for step_rows in rows
    ]


def sparse(rows: list[int], values: Tensor) -> Tensor:
    return torch.sparse_coo_tensor(
        torch.tensor([rows]), values, (NUM_ROWS, WIDTH), check_invariants=True
    )


def table() -> nn.Parameter:
    generator = torch.Generator().manual_seed(1)
    return nn.Parameter(torch.randn(NUM_ROWS, WIDTH, dtype=torch.float64, generator=generator))


@dataclass
class PlainRow:
    """One row, updated number by number."""

    weights: list[float]
    first: list[float] = field(default_factory=lambda: [0.0] * WIDTH)
    second: float = 0.0
    steps: int = 0

    def lazy_adam(self, gradient: list[float], rate: float) -> None:
        self.steps += 1
        self.first = [0.9 * m + 0.1 * g for m, g in zip(self.first, gradient, strict=True)]
        self.second = 0.999 * self.second + 0.001 * sum(g * g for g in gradient) / WIDTH
        root = (self.second / (1 - 0.999**self.steps)) ** 0.5 + 1e-8
        self.weights = [
            w - rate * m / (1 - 0.9**self.steps) / root
            for w, m in zip(self.weights, self.first, strict=True)
        ]


@pytest.mark.parametrize("times", [None, 2.5])
def test_every_row_is_updated_as_if_it_were_the_only_one(times: float | None) -> None:
    """With a penalty, which a sample multiplies for the odd rows here, and rates that fall."""
    weights, plain = table(), [PlainRow(row) for row in table().tolist()]
    optimiser = LazyAdam([weights], RATE, 0.3)
    if times:
        times_V = [times if row % 2 else 1.0 for row in range(NUM_ROWS)]
        optimiser.times_V1[weights] = torch.tensor(times_V, dtype=torch.float64).unsqueeze(1)
    for step, (rows, values) in enumerate(gradients(6)):
        weights.grad = sparse(rows, values)
        optimiser.step(1 - step / 6)
        for row in set(rows):
            total = sum(value for at, value in zip(rows, values, strict=True) if at == row)
            penalty = 0.3 * times if times and row % 2 else 0.3
            both = zip(total.tolist(), plain[row].weights, strict=True)
            slope = [g + penalty * w for g, w in both]
            plain[row].lazy_adam(slope, RATE * (1 - step / 6))
    expected = torch.tensor([row.weights for row in plain], dtype=torch.float64)
    torch.testing.assert_close(weights.detach(), expected, rtol=0, atol=1e-10)


def test_a_dense_gradient_touches_every_row() -> None:
    first, second = table(), table()
    first.grad = torch.ones_like(first)
    second.grad = sparse([*range(NUM_ROWS)], torch.ones(NUM_ROWS, WIDTH, dtype=torch.float64))
    for weights in (first, second):
        LazyAdam([weights], RATE).step()
    assert torch.equal(first, second)


@pytest.mark.parametrize("rows", [[0, 0, 0], [3, 1, 3, 6, 1, 1], []])
def test_a_merged_gradient_is_the_same_gradient_with_every_row_once(rows: list[int]) -> None:
    gradient = sparse(rows, torch.randn(len(rows), WIDTH, dtype=torch.float64))
    merged_gradient = merged(gradient)
    assert sorted(merged_gradient.indices()[0].tolist()) == sorted(set(rows))
    torch.testing.assert_close(merged_gradient.to_dense(), gradient.to_dense(), rtol=0, atol=1e-12)


def test_rows_that_no_batch_looks_up_keep_their_weights_bit_for_bit() -> None:
    model = linear(DATA)
    before = model.embedding.table.weight.detach().clone()
    optimiser = make_optimiser(model, CONFIG)
    feed = make_feed(DATA.train, CPU)
    rows_B = (feed.ids_RF[:, 0] == 2).nonzero()[:, 0]
    for _ in range(3):
        batch, labels_BT = feed.select(rows_B)
        optimiser.zero_grad()
        own_scenario_loss(model(batch), labels_BT).backward()
        clip_gradients(model.parameters(), 10.0)
        optimiser.step()
    changed = (model.embedding.table.weight.detach() != before).any(dim=1)
    assert changed.nonzero().flatten().tolist() == [2]


@pytest.mark.parametrize("name", ["adam", "lazy_adam"])
def test_every_parameter_is_optimised_exactly_once(name: Literal["adam", "lazy_adam"]) -> None:
    model = linear(DATA)
    groups = make_optimiser(model, TrainConfig(embedding_optimiser=name)).param_groups
    optimised = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(optimised) == sorted(id(parameter) for parameter in model.parameters())


@pytest.mark.parametrize(("clip_norm", "factor"), [(0.0, 1.0), (100.0, 1.0), (1.0, None)])
def test_a_sparse_gradient_is_clipped_like_its_dense_equivalent(
    clip_norm: float, factor: float | None
) -> None:
    dense, looked_up = table(), table()
    gradient = sparse([5, 5, 1], torch.ones(3, WIDTH, dtype=torch.float64))
    dense.grad, looked_up.grad = gradient.to_dense(), gradient
    norms = [clip_gradients([weights], clip_norm) for weights in (dense, looked_up)]
    assert norms[0].item() == pytest.approx(norms[1].item()) == pytest.approx((WIDTH * 5) ** 0.5)
    torch.testing.assert_close(looked_up.grad.to_dense(), dense.grad)
    expected = gradient.to_dense() * (factor if factor is not None else clip_norm / norms[0])
    torch.testing.assert_close(dense.grad, expected, rtol=1e-6, atol=0)
