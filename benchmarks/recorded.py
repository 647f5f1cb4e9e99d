"""Recorded trainings: Parquet files under benchmarks/tabular, one for every task and arm.

A row is one training with all its evaluations on validation: what a search would have seen. What
replays or tabulates trainings reads them here and trains nothing. Shape suffixes: E evaluations,
C cells.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

TABULAR = Path(__file__).parent / "tabular"
DEFAULT_BEFORE, DEFAULT_AFTER = "default of the space", "default of the rule"
SCHEMA: dict[str, pl.DataType] = {
    "configuration": pl.String(),
    "seed": pl.Int64(),
    "settings": pl.String(),
    "parameters": pl.Int64(),
    "flops_per_row": pl.Int64(),
    "train_rows": pl.Int64(),
    "cells": pl.List(pl.String()),
    "passes_E": pl.List(pl.Float32()),
    "seconds_E": pl.List(pl.Float32()),
    "objective_E": pl.List(pl.Float64()),
    "train_loss_E": pl.List(pl.Float32()),
    "auc_EC": pl.List(pl.List(pl.Float32())),
}


@dataclass(frozen=True)
class Training:
    """One recorded training.

    `configuration` names its values: a default, or `draw K`. `seconds_E` are CPU seconds of one
    thread from the start; `objective_E` is `mean_auc`. A cell without both classes has None.
    """

    configuration: str
    seed: int
    settings: str  # JSON
    parameters: int
    flops_per_row: int
    train_rows: int
    cells: Sequence[str]
    passes_E: Sequence[float]
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

    def best(self, passes: float = float("inf")) -> float:
        """Return the best objective within so many passes."""
        pairs = zip(self.passes_E, self.objective_E, strict=True)
        return max(value for at, value in pairs if at <= passes + 1e-3)


def path_of(task: str, arm: str) -> Path:
    """Return the file of a task and an arm."""
    return TABULAR / f"{task}.{arm}.parquet"


def load(task: str, arm: str) -> list[Training]:
    """Return what is recorded, in the order of recording; nothing if there is no file."""
    path = path_of(task, arm)
    if not path.exists():
        return []
    return [Training(**row) for row in pl.read_parquet(path).iter_rows(named=True)]


def save(task: str, arm: str, trainings: Sequence[Training]) -> None:
    """Write a file anew; a reader sees the old one or the new one."""
    path = path_of(task, arm)
    path.parent.mkdir(exist_ok=True)
    partial = path.with_suffix(".partial")
    frame = pl.DataFrame([asdict(training) for training in trainings], schema=SCHEMA)
    frame.write_parquet(partial, compression="zstd", compression_level=19)
    partial.replace(path)


def recorded() -> Iterator[tuple[str, str]]:
    """Yield task and arm of every file."""
    for path in sorted(TABULAR.glob("*.parquet")):
        task, arm, _ = path.name.split(".")
        yield task, arm
