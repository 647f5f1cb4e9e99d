"""Differences: how far weights of stacked models drift from those of models trained alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from contestants import built
from hinet_search.data.columns import Dataset
from hinet_search.data.schema import Schema
from hinet_search.models.layers.activation import Activation
from hinet_search.results.objectives import objective_named
from hinet_search.training.fit import TrainingSteps
from hinet_search.training.make_feed import make_feed
from hinet_search.training.run_state import Conditions, begin
from hinet_search.training.seeding import seeded_model
from hinet_search.training.stack import Stack, StackedSteps
from hinet_search.training.teaching import StepLoss
from hinet_search.training.trial_config import TrialConfig, build_config
from layout import aligned

MODELS = ("shared_bottom", "mmoe", "star", "hinet")
SEEDS, BATCH = (0, 1, 2), 256
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Difference:
    """The largest difference of any weight between three stacked models and the same alone."""

    model: str
    precision: str
    steps: int
    largest: float


def bench_differences(dataset: Dataset, *, steps: Sequence[int]) -> list[Difference]:
    """Compare every model in both precisions, without dropout, whose draws differ in a stack."""
    return [
        difference
        for model in MODELS
        for precision in (torch.float32, torch.float64)
        for difference in _differences(dataset, model, precision, steps)
    ]


def _differences(
    dataset: Dataset, name: str, precision: torch.dtype, wanted: Sequence[int]
) -> list[Difference]:
    config, schema = build_config(name, {"train.batch_size": BATCH}), dataset.full_schema
    given = Conditions(dataset, schema, config.train, 0, 0, objective_named("macro_auc"), CPU)
    alone = [begin(_without_dropout(config, schema, seed, precision), given, 0.0) for seed in SEEDS]
    lone = [(TrainingSteps(course), state) for course, state in alone]
    models = [_without_dropout(config, schema, seed, precision) for seed in SEEDS]
    stacked = StackedSteps(
        Stack(models), make_feed(dataset.train, CPU), [config.train] * len(models), StepLoss()
    )
    differences = []
    for step in range(1, max(wanted) + 1):
        rows_B = torch.arange((step - 1) * BATCH, step * BATCH) % dataset.train.num_rows
        stacked.take(rows_B)
        for training, state in lone:
            training.take(state, rows_B)
        if step in wanted:
            pairs = zip(models, (course.model for course, _ in alone), strict=True)
            largest = max(_largest(model, other) for model, other in pairs)
            differences.append(
                Difference(name, str(precision).removeprefix("torch."), step, largest)
            )
    return differences


def _without_dropout(
    config: TrialConfig, schema: Schema, seed: int, precision: torch.dtype
) -> nn.Module:
    model = seeded_model(lambda: built(config, schema), seed).to(precision).train()
    for module in model.modules():
        if isinstance(module, Activation):
            module.rate = 0.0
    return model


def _largest(model: nn.Module, other: nn.Module) -> float:
    pairs = zip(model.parameters(), other.parameters(), strict=True)
    return max(float((weight.detach() - twin.detach()).abs().max()) for weight, twin in pairs)


def table(figures: Sequence[Difference]) -> str:
    """The figures as text, a line each."""
    lines = [("stacked against alone", "precision", "steps", "largest difference of a weight")]
    lines += [
        (figure.model, figure.precision, str(figure.steps), f"{figure.largest:.0e}")
        for figure in figures
    ]
    return aligned(lines)
