"""Stacked seeds: a step of K models one after another against a step of all as one."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, product
from statistics import median

import torch
from torch import Tensor, nn

from contestants import built
from hinet_search.data.columns import Dataset
from hinet_search.results.objectives import objective_named
from hinet_search.study.distributions import Value
from hinet_search.training.fit import TrainingSteps
from hinet_search.training.row_order import batches_of_pass
from hinet_search.training.run_state import Conditions, begin
from hinet_search.training.seeding import seeded_model
from hinet_search.training.stack import Stack, StackedSteps
from hinet_search.training.teaching import StepLoss
from hinet_search.training.trial_config import build_config
from layout import aligned

SEED, WARM_UP_STEPS = 0, 3
SMALL_VOCABULARY = (
    300  # ids a field at most: a dense optimiser then does not hide the rest of the step
)
MODELS: dict[str, tuple[str, dict[str, Value]]] = {
    "Shared Bottom, trunk 16": (
        "shared_bottom",
        {"model.embedding_dim": 4, "model.trunk.widths": (16,)},
    ),
    "Shared Bottom, trunk 128 64": ("shared_bottom", {}),
    "HiNet, 3 sub-experts of 16": (
        "hinet",
        {"model.scenario.widths": (16,), "model.embedding_dim": 4},
    ),
}


@dataclass(frozen=True)
class StackedFigure:
    """Median milliseconds for all K models to take one step; `ratio` is the median ratio."""

    model: str
    batch_size: int
    num_models: int
    alone_milliseconds: float
    stacked_milliseconds: float
    ratio: float


def bench_stacked(
    dataset: Dataset,
    *,
    batch_sizes: Sequence[int],
    numbers: Sequence[int],
    rounds: int,
    device: str = "cpu",
) -> list[StackedFigure]:
    """Every model at every batch size with every number of seeds."""
    return [
        _figure(dataset, name, batch_size, number, rounds, torch.device(device))
        for name, batch_size, number in product(MODELS, batch_sizes, numbers)
    ]


def _figure(
    dataset: Dataset, name: str, batch_size: int, number: int, rounds: int, device: torch.device
) -> StackedFigure:
    model, values = MODELS[name]
    config = build_config(model, {**values, "train.batch_size": batch_size})
    sizes = tuple(min(size, SMALL_VOCABULARY) for size in dataset.full_schema.vocabulary_sizes)
    schema = replace(dataset.full_schema, vocabulary_sizes=sizes)
    given = Conditions(
        dataset, schema, config.train, SEED, SEED, objective_named("macro_auc"), device
    )

    def models() -> list[nn.Module]:
        return [
            seeded_model(lambda: built(config, schema), seed).to(device).train()
            for seed in range(number)
        ]

    lone = [begin(model, given, 0.0) for model in models()]
    steps = [(TrainingSteps(course), state) for course, state in lone]
    stacked = StackedSteps(Stack(models()), lone[0][0].feed, [config.train] * number, StepLoss())
    rows = cycle(
        list(batches_of_pass(dataset.train.num_rows, batch_size, "rows", seed=SEED, pass_number=0))[
            :-1
        ]
    )

    def all_alone(rows_B: Tensor) -> None:
        for training, state in steps:
            training.take(state, rows_B)

    for _ in range(WARM_UP_STEPS):
        all_alone(next(rows))
        stacked.take(next(rows))
    took = [
        tuple(_milliseconds(step, next(rows), device) for step in (all_alone, stacked.take))
        for _ in range(rounds)
    ]
    alone, together = zip(*took, strict=True)
    ratio = median(of_alone / of_stacked for of_alone, of_stacked in took)
    return StackedFigure(name, batch_size, number, median(alone), median(together), ratio)


def _milliseconds(step: Callable[[Tensor], object], rows_B: Tensor, device: torch.device) -> float:
    began = time.perf_counter()
    step(rows_B)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return 1000 * (time.perf_counter() - began)


def table(figures: Sequence[StackedFigure]) -> str:
    """The figures as text, a line each."""
    lines = [("a step of all models, ms", "batch", "models", "alone", "stacked", "ratio")]
    lines += [
        (
            figure.model,
            f"{figure.batch_size:,}",
            str(figure.num_models),
            f"{figure.alone_milliseconds:.1f}",
            f"{figure.stacked_milliseconds:.1f}",
            f"{figure.ratio:.2f}",
        )
        for figure in figures
    ]
    return aligned(lines)
