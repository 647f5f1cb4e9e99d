"""Training speed: our models, feed and optimisers against the plain reference, by turns.

Every round measures the fp32 matrix product and each training once, one after the other, so that a
ratio compares what ran under the same load. Shape legend: B rows, T tasks.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from statistics import median

import torch
from torch import nn

import plain
from contestants import SEED, contests
from hinet_search.data.columns import Dataset
from hinet_search.models.layers.measure import count_parameters, flops_per_row
from hinet_search.training.feed import Feed, make_feed
from hinet_search.training.fit import forward_products, fp32_products
from hinet_search.training.loss import own_scenario_loss
from hinet_search.training.optimiser import clip_gradients, make_optimiser
from hinet_search.training.row_order import batches_of_epoch
from hinet_search.training.train_config import TrainConfig
from layout import aligned

TRAINING = TrainConfig(batch_size=2048, learning_rate=1e-3)
VARIANTS = {
    "adam": TRAINING,
    "lazy_adam": TRAINING.model_copy(update={"embedding_optimiser": "lazy_adam"}),
    "lazy_adam, bf16": TRAINING.model_copy(
        update={"embedding_optimiser": "lazy_adam", "precision": "bf16"}
    ),
}
# FLOPs of a training step in forward passes: gradients of inputs and of weights cost one each.
FORWARD_AND_BACKWARD = 3
GEMM_SIZE, GEMM_REPEATS = 1024, 20
WARM_UP_STEPS = 3


@dataclass(frozen=True)
class TrainingFigure:
    """One variant of one model: medians over rounds; `ratio` has its lowest and highest value.

    `flops_per_row` is of one forward and backward pass. `limit` is the rows/s at which fp32 matrix
    products alone would take all the time, `of_limit` the median share of it that ours reaches.
    """

    model: str
    variant: str
    rows_per_second: float
    plain_rows_per_second: float
    ratio: float
    ratio_low: float
    ratio_high: float
    flops_per_row: int
    limit: float
    of_limit: float


@dataclass(frozen=True)
class _Entry:
    """One model: its trainings, plain one last, and what a row costs it."""

    model: str
    trainings: tuple[Iterator[int], ...]
    flops_per_row: int


def our_training(model: nn.Module, feed: Feed, config: TrainConfig) -> Iterator[int]:
    """Yield the rows of each step of training/fit.py, endlessly and without evaluations."""
    optimiser = make_optimiser(model.to(feed.device).train(), config)
    for epoch_number in count():
        for rows_B in batches_of_epoch(
            len(feed), config.batch_size, config.shuffle, seed=SEED, epoch_number=epoch_number
        ):
            batch, labels_BT = feed.select(feed.by_scenario(rows_B))
            optimiser.zero_grad()
            with fp32_products(config, feed.device):
                with forward_products(config, feed.device):
                    logits_BT = model(batch)
                torch.autograd.backward(own_scenario_loss(logits_BT.float(), labels_BT))
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


def bench_training(dataset: Dataset, *, rounds: int, seconds: float) -> list[TrainingFigure]:
    """Figures of every variant of every model, from `rounds` turns of at least `seconds` each."""
    entries = _entries(dataset)
    for entry in entries:
        for training in entry.trainings:
            for _ in range(WARM_UP_STEPS):
                next(training)
    gemm: list[float] = []
    speeds: dict[str, list[list[float]]] = {entry.model: [] for entry in entries}
    for _ in range(rounds):
        gemm.append(gemm_flops_per_second())
        for entry in entries:
            speeds[entry.model].append(
                [rows_per_second(training, seconds) for training in entry.trainings]
            )
    figures = []
    for entry in entries:
        *ours, theirs = zip(*speeds[entry.model], strict=True)
        figures += [
            _figure(entry, variant, gemm, rates, theirs)
            for variant, rates in zip(VARIANTS, ours, strict=True)
        ]
    return figures


def rows_per_second(training: Iterator[int], seconds: float) -> float:
    """Step for at least so long, after a step that brings the weights back into the caches."""
    next(training)
    began, num_rows = time.perf_counter(), 0
    while (passed := time.perf_counter() - began) < seconds:
        num_rows += next(training)
    return num_rows / passed


def _entries(dataset: Dataset) -> list[_Entry]:
    schema = dataset.full_schema
    feed = make_feed(dataset.train, torch.device("cpu"))
    entries = []
    for contest in contests(schema):
        ours, reference = contest.ours(), contest.plain()
        sizes = count_parameters(ours)[0], count_parameters(reference)[0]
        assert sizes[0] == sizes[1], f"{contest.name}: both must be of one size, got {sizes}"
        trainings = [our_training(contest.ours(), feed, config) for config in VARIANTS.values()]
        trainings.append(
            plain.plain_training(
                reference, dataset.train, TRAINING.batch_size, TRAINING.learning_rate
            )
        )
        flops = FORWARD_AND_BACKWARD * flops_per_row(ours, schema)
        entries.append(_Entry(contest.name, tuple(trainings), flops))
    return entries


def _figure(
    entry: _Entry,
    variant: str,
    gemm: list[float],
    ours: tuple[float, ...],
    theirs: tuple[float, ...],
) -> TrainingFigure:
    flops = entry.flops_per_row
    ratios = [our_rate / their_rate for our_rate, their_rate in zip(ours, theirs, strict=True)]
    return TrainingFigure(
        model=entry.model,
        variant=variant,
        rows_per_second=median(ours),
        plain_rows_per_second=median(theirs),
        ratio=median(ratios),
        ratio_low=min(ratios),
        ratio_high=max(ratios),
        flops_per_row=flops,
        limit=median(gemm) / flops,
        of_limit=median(speed * flops / limit for speed, limit in zip(ours, gemm, strict=True)),
    )


def table(figures: Sequence[TrainingFigure]) -> str:
    """The figures as text, a line each."""
    lines = [("rows/s", "ours", "plain", "ratio (range)", "of fp32 limit")]
    lines += [
        (
            f"{figure.model}, {figure.variant}",
            f"{figure.rows_per_second:,.0f}",
            f"{figure.plain_rows_per_second:,.0f}",
            f"{figure.ratio:.2f} ({figure.ratio_low:.2f}-{figure.ratio_high:.2f})",
            f"{figure.of_limit:.0%} of {figure.limit:,.0f}",
        )
        for figure in figures
    ]
    return aligned(lines)
