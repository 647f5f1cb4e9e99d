"""Recorded trainings: Parquet files under benchmarks/tabular, one for every task and arm.

A row is one training with all its evaluations on validation: what a search would have seen. A file
also has the space that its draws are from. What replays or tabulates trainings reads them here and
trains nothing. Shape suffixes: E evaluations, C cells.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any

import polars as pl

from replay.table import Parameter, parameter_of

TABULAR = Path(__file__).parent / "tabular"
DEFAULT_BEFORE, DEFAULT_AFTER = "default of the space", "default of the rule"
SPACE = "space"
SCHEMA: dict[str, pl.DataType] = {
    "configuration": pl.String(),
    "seed": pl.Int64(),
    "drawn": pl.String(),
    "settings": pl.String(),
    "parameters": pl.Int64(),
    "flops_per_row": pl.Int64(),
    "train_rows": pl.Int64(),
    "cells": pl.List(pl.String()),
    "epochs_E": pl.List(pl.Float32()),
    "seconds_E": pl.List(pl.Float32()),
    "objective_E": pl.List(pl.Float64()),
    "train_loss_E": pl.List(pl.Float32()),
    "auc_EC": pl.List(pl.List(pl.Float32())),
}


@dataclass(frozen=True)
class Training:
    """One recorded training.

    `configuration` names its values: a default, or `draw K` of the space of its file. `seconds_E`
    are CPU seconds of one thread from the start; `objective_E` is `mean_auc`. A cell without both
    classes has None.
    """

    configuration: str
    seed: int
    drawn: str  # JSON: the searched values, by the names of their choices
    settings: str  # JSON: all values
    parameters: int
    flops_per_row: int
    train_rows: int
    cells: Sequence[str]
    epochs_E: Sequence[float]
    seconds_E: Sequence[float]
    objective_E: Sequence[float]
    train_loss_E: Sequence[float]
    auc_EC: Sequence[Sequence[float | None]]

    @property
    def is_draw(self) -> bool:
        """Whether its values are random."""
        return self.configuration.startswith("draw")

    @property
    def values(self) -> Mapping[str, Any]:
        """Its settings by name."""
        return dict(json.loads(self.settings))

    def best(self, epochs: float = float("inf")) -> float:
        """Return the best objective within so many epochs."""
        pairs = zip(self.epochs_E, self.objective_E, strict=True)
        return max(value for at, value in pairs if at <= epochs + 1e-3)


@dataclass(frozen=True)
class Recording:
    """The trainings of a task and an arm, and the space of its draws."""

    space: tuple[Parameter, ...]
    trainings: tuple[Training, ...] = ()

    def with_training(self, training: Training) -> "Recording":
        """Return it with one training more, in the place of an earlier one of the same name."""
        key = (training.configuration, training.seed)
        others = [each for each in self.trainings if (each.configuration, each.seed) != key]
        return replace(self, trainings=(*others, training))


def best_draws(trainings: Iterable[Training], share: float) -> list[str]:
    """Return the names of the best share of all draws by their first seed, the best one first."""
    draws = [training for training in trainings if training.is_draw and training.seed == 1]
    ranked = sorted(draws, key=Training.best, reverse=True)
    return [training.configuration for training in ranked[: ceil(share * len(draws))]]


def path_of(task: str, arm: str) -> Path:
    """Return the file of a task and an arm."""
    return TABULAR / f"{task}.{arm}.parquet"


def load(task: str, arm: str) -> Recording | None:
    """Return what is recorded; None if there is no file."""
    path = path_of(task, arm)
    if not path.exists():
        return None
    space = json.loads(pl.read_parquet_metadata(path)[SPACE])
    rows = pl.read_parquet(path).iter_rows(named=True)
    return Recording(tuple(map(parameter_of, space)), tuple(Training(**row) for row in rows))


def save(task: str, arm: str, recording: Recording) -> None:
    """Write a file anew; a reader sees the old one or the new one."""
    path = path_of(task, arm)
    path.parent.mkdir(exist_ok=True)
    partial = path.with_suffix(".partial")
    frame = pl.DataFrame([asdict(training) for training in recording.trainings], schema=SCHEMA)
    space = json.dumps([asdict(parameter) for parameter in recording.space])
    frame.write_parquet(partial, compression="zstd", compression_level=19, metadata={SPACE: space})
    partial.replace(path)


def recorded() -> Iterator[tuple[str, str]]:
    """Yield task and arm of every file."""
    for path in sorted(TABULAR.glob("*.parquet")):
        task, arm, _ = path.name.split(".")
        yield task, arm
