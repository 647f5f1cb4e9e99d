"""Differences: how far the weights of stacked models drift from those of models trained alone on the same batches."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from contestants import built
from hinet_search.config import TrialConfig, build_config
from hinet_search.data.columns import Dataset
from hinet_search.nn.activation import Activation
from hinet_search.objective import objective_named
from hinet_search.schema import Schema
from hinet_search.training.course import Conditions, begin
from hinet_search.training.feed import make_feed
from hinet_search.training.fit import Steps
from hinet_search.training.seeding import seeded_model
from hinet_search.training.stacked import Stack, StackedSteps
from layout import aligned

MODELS = ("shared_bottom", "mmoe", "star", "hinet")
SEEDS, BATCH = (0, 1, 2), 256
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Difference:
    """The largest difference of any weight between three stacked models and the same ones alone, after so many steps."""

    model: str
    precision: str
    steps: int
    largest: float


def bench_differences(dataset: Dataset, *, steps: Sequence[int]) -> list[Difference]:
    """Every model in single and in double precision, without dropout: the draws of a stack are others."""
    return [
        found
        for model in MODELS
        for precision in (torch.float32, torch.float64)
        for found in _differences(dataset, model, precision, steps)
    ]


def _differences(dataset: Dataset, name: str, precision: torch.dtype, wanted: Sequence[int]) -> list[Difference]:
    config, schema = build_config(name, {"train.batch_size": BATCH}), dataset.full_schema
    given = Conditions(dataset, schema, config.train, 0, 0, objective_named("macro_auc"), CPU)
    alone = [begin(_without_dropout(config, schema, seed, precision), given, 0.0) for seed in SEEDS]
    lone = [(Steps(course), state) for course, state in alone]
    models = [_without_dropout(config, schema, seed, precision) for seed in SEEDS]
    stacked = StackedSteps(Stack(models), make_feed(dataset.train, CPU), config.train)
    found = []
    for step in range(1, max(wanted) + 1):
        rows_B = torch.arange((step - 1) * BATCH, step * BATCH) % dataset.train.num_rows
        stacked.take(rows_B)
        for one, state in lone:
            one.take(state, rows_B)
        if step in wanted:
            pairs = zip(models, (course.model for course, _ in alone), strict=True)
            largest = max(_largest(one, other) for one, other in pairs)
            found.append(Difference(name, str(precision).removeprefix("torch."), step, largest))
    return found


def _without_dropout(config: TrialConfig, schema: Schema, seed: int, precision: torch.dtype) -> nn.Module:
    model = seeded_model(lambda: built(config, schema), seed).to(precision).train()
    for module in model.modules():
        if isinstance(module, Activation):
            module.rate = 0.0
    return model


def _largest(one: nn.Module, other: nn.Module) -> float:
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return max(float((weight.detach() - twin.detach()).abs().max()) for weight, twin in pairs)


def table(figures: Sequence[Difference]) -> str:
    """The figures as text, a line each."""
    lines = [("stacked against alone", "precision", "steps", "largest difference of a weight")]
    lines += [(one.model, one.precision, str(one.steps), f"{one.largest:.0e}") for one in figures]
    return aligned(lines)
