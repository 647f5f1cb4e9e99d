"""Training speed: our models, feed and optimiser against the plain reference, in one process by turns.

Every round measures the fp32 matrix product and each training once, one after the other, so that a ratio compares what
ran under the same load. Shape legend: B rows, T tasks.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice
from statistics import median

import torch
from torch import nn

import plain
from hinet_search.data.columns import Dataset
from hinet_search.models import mmoe, shared_bottom
from hinet_search.nn.measure import count_parameters, flops_per_row
from hinet_search.schema import Schema
from hinet_search.training.config import TrainConfig
from hinet_search.training.feed import Feed, make_feed, row_order
from hinet_search.training.loss import own_scenario_loss
from hinet_search.training.optimiser import clip_gradients, make_optimiser
from hinet_search.training.seeding import seeded_model

SEED = 0
TRAINING = TrainConfig(batch_size=2048, learning_rate=1e-3)
EMBEDDING, HIDDEN, TOWER, NUM_EXPERTS = 16, (128, 64), (32,), 4
FORWARD_AND_BACKWARD = 3  # FLOPs of a training step in forward passes: gradients of inputs and of weights cost one each
GEMM_SIZE, GEMM_REPEATS = 1024, 20
WARM_UP_STEPS = 3


@dataclass(frozen=True)
class Contest:
    """One model in both forms."""

    name: str
    ours: nn.Module
    plain: nn.Module


@dataclass(frozen=True)
class TrainingFigure:
    """Medians over rounds; `ratio` is the median of the rounds' ratios, with the lowest and the highest beside it.

    `flops_per_row` is of one forward and backward pass. `limit` is the rows/s at which the matrix products alone would
    take all the time, `of_limit` the median share of it that ours reaches.
    """

    model: str
    rows_per_second: float
    plain_rows_per_second: float
    ratio: float
    ratio_low: float
    ratio_high: float
    flops_per_row: int
    limit: float
    of_limit: float


def contests(schema: Schema) -> tuple[Contest, ...]:
    """The models, of the same sizes on both sides and without dropout."""
    shared = shared_bottom.Config(
        embedding_dim=EMBEDDING,
        dropout=0.0,
        trunk=shared_bottom.TrunkConfig(widths=HIDDEN),
        tower=shared_bottom.TowerConfig(widths=TOWER),
    )
    mixture = mmoe.Config(
        embedding_dim=EMBEDDING,
        dropout=0.0,
        num_experts=NUM_EXPERTS,
        expert=mmoe.ExpertConfig(widths=HIDDEN),
        tower=mmoe.TowerConfig(widths=TOWER),
    )
    return (
        Contest(
            "Shared Bottom",
            seeded_model(lambda: shared_bottom.Model(shared, schema), SEED),
            seeded_model(lambda: plain.SharedBottom(schema, EMBEDDING, HIDDEN, TOWER), SEED),
        ),
        Contest(
            "MMoE",
            seeded_model(lambda: mmoe.Model(mixture, schema), SEED),
            seeded_model(lambda: plain.MMoE(schema, EMBEDDING, NUM_EXPERTS, HIDDEN, TOWER), SEED),
        ),
    )


def our_training(model: nn.Module, feed: Feed, config: TrainConfig) -> Iterator[int]:
    """The steps of training/fit.py without its evaluations, without end; gives the number of rows of every step."""
    optimiser = make_optimiser(model, config)
    model.train()
    for pass_number in count():
        order = row_order(len(feed), seed=SEED, pass_number=pass_number, device=feed.device)
        for rows_B in torch.split(order, config.batch_size):
            batch, labels_BT = feed.select(rows_B)
            optimiser.zero_grad()
            loss = own_scenario_loss(model(batch), labels_BT)
            torch.autograd.backward(loss)
            clip_gradients(model.parameters(), config.clip_norm)
            optimiser.step()
            yield len(batch)


def gemm_flops_per_second() -> float:
    """What this core does in a square fp32 matrix product; a multiply-add counts 2."""
    left, right = torch.ones(GEMM_SIZE, GEMM_SIZE), torch.ones(GEMM_SIZE, GEMM_SIZE)
    torch.mm(left, right)
    began = time.perf_counter()
    for _ in range(GEMM_REPEATS):
        torch.mm(left, right)
    return GEMM_REPEATS * 2 * GEMM_SIZE**3 / (time.perf_counter() - began)


def bench_training(dataset: Dataset, *, rounds: int, steps: int) -> list[TrainingFigure]:
    """A figure per model from `rounds` rounds of `steps` batches."""
    schema = dataset.full_schema
    feed = make_feed(dataset.train, schema, torch.device("cpu"))
    pairs = contests(schema)
    trainings = []
    for pair in pairs:
        assert count_parameters(pair.ours)[0] == count_parameters(pair.plain)[0], f"{pair.name}: both of one size"
        trainings += [
            our_training(pair.ours, feed, TRAINING),
            plain.plain_training(pair.plain, dataset.train, TRAINING.batch_size, TRAINING.learning_rate),
        ]
    for training in trainings:
        _rows_per_second(training, WARM_UP_STEPS)
    gemm, speeds = [], []
    for _ in range(rounds):
        gemm.append(gemm_flops_per_second())
        speeds.append([_rows_per_second(training, steps) for training in trainings])
    by_training = list(zip(*speeds, strict=True))
    return [
        _figure(pair, schema, gemm, ours, theirs)
        for pair, ours, theirs in zip(pairs, by_training[::2], by_training[1::2], strict=True)
    ]


def _rows_per_second(training: Iterator[int], steps: int) -> float:
    began = time.perf_counter()
    num_rows = sum(islice(training, steps))
    return num_rows / (time.perf_counter() - began)


def _figure(
    pair: Contest, schema: Schema, gemm: list[float], ours: tuple[float, ...], theirs: tuple[float, ...]
) -> TrainingFigure:
    flops = FORWARD_AND_BACKWARD * flops_per_row(pair.ours, schema)
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    return TrainingFigure(
        model=pair.name,
        rows_per_second=median(ours),
        plain_rows_per_second=median(theirs),
        ratio=median(ratios),
        ratio_low=min(ratios),
        ratio_high=max(ratios),
        flops_per_row=flops,
        limit=median(gemm) / flops,
        of_limit=median(speed * flops / limit for speed, limit in zip(ours, gemm, strict=True)),
    )
