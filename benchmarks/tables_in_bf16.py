"""Tables of ids in bf16: what they cost in AUC and in speed, and the memory that they save.

    python benchmarks/tables_in_bf16.py auc
    python benchmarks/tables_in_bf16.py speed --ids 3_000_000

`auc` trains on the rows of `hashed_ids.py`, where an item's click rate is all there is to know,
with paired seeds: in fp32, in bf16, and in bf16 that is rounded to the nearest in place of at
random. `speed` trains in turns, each time in a process of its own, on rows without signal.
"""

import argparse
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from hashed_ids import items
from hinet_search.common.spaced import say_nothing
from hinet_search.data.columns import Dataset
from hinet_search.data.prepare import prepare
from hinet_search.results.objectives import objective_named
from hinet_search.study.data_definition import DataDefinition
from hinet_search.training import touched_rows
from hinet_search.training.fit import fit
from hinet_search.training.run_state import Conditions, FitResult
from hinet_search.training.seeding import seeded_model
from hinet_search.training.trial_config import build_config
from in_processes import MEGABYTE, anonymous_bytes, run
from work import make_dataset
from workers import CPU, Quiet

OPTIMISERS = ("lazy_adam", "sparse_adam", "rowwise_adagrad")
PRECISIONS = ("fp32", "bf16")
NEAREST = "bf16, nearest"
WIDTH = 16
LARGE_FIELDS = 4  # which have the ids of `speed`, in equal parts
DEFINITION = {
    "source": {"kind": "table", "path": "rows.parquet"},
    "scenario": {"every_row": "All"},
    "tasks": {"click": {"column": "clicked"}},
    "features": {"categorical": ["item", "hour"]},
    "split": {"by": "random", "seed": 1, "valid": 0.3, "test": 0.05},
}


def trained(
    dataset: Dataset, seed: int, vocabularies: tuple[int, ...] = (), **train: Any
) -> FitResult:
    """Train Shared Bottom, with larger vocabularies than those of the data if they are given."""
    torch.set_num_threads(1)
    settings = {f"train.{name}": value for name, value in train.items()}
    settings["model.embedding_dim"] = WIDTH
    config = build_config("shared_bottom", settings)
    schema = config.features.schema_of(dataset)
    if vocabularies:
        schema = replace(schema, vocabulary_sizes=vocabularies)
    objective = objective_named("mean_auc")
    conditions = Conditions(dataset, schema, config.train, seed, seed, objective, CPU)
    built = seeded_model(lambda: config.build(schema), seed)
    assert isinstance(built, torch.nn.Module), "a network"
    return fit(built, conditions, Quiet())


def auc(dataset: Dataset, seed: int, optimiser: str, how: str) -> float:
    """Return the AUC on validation of the best evaluation."""
    given: dict[str, Any] = {"embedding_optimiser": optimiser, "rate_decay": True}
    given |= {"batch_size": 256, "passes": 6.0}
    precision = "fp32" if how == "fp32" else "bf16"
    rounding = patch.object(touched_rows, "rounded", lambda values_UE, *_: values_UE.bfloat16())
    if how == NEAREST:
        with rounding:
            result = trained(dataset, seed, table_precision=precision, **given)
    else:
        result = trained(dataset, seed, table_precision=precision, **given)
    assert result.valid_objective is not None
    return result.valid_objective


def compare_auc(num_seeds: int) -> None:
    """Print means over seeds, and the paired differences to fp32."""
    definition = DataDefinition.model_validate(DEFINITION)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        items().write_parquet(folder / "rows.parquet")
        dataset = prepare(definition, folder, folder / "cache", say_nothing)
        for optimiser in OPTIMISERS:
            areas = {
                how: [auc(dataset, seed, optimiser, how) for seed in range(num_seeds)]
                for how in (*PRECISIONS, NEAREST)
            }
            for how, of_seeds in areas.items():
                differences = np.subtract(of_seeds, areas["fp32"])
                print(
                    f"{optimiser}, {how}: AUC {fmean(of_seeds):.4f}, to fp32 "
                    f"{fmean(differences):+.4f} ± {stdev(differences) / num_seeds**0.5:.4f}",
                    flush=True,
                )


def rate(num_rows: int, num_ids: int, optimiser: str, precision: str) -> tuple[float, float]:
    """Return rows a CPU second, with two evaluations, and the megabytes that were held before."""
    dataset = make_dataset(num_rows)
    sizes = list(dataset.full_schema.vocabulary_sizes)
    generator = np.random.default_rng(0)
    of_field = num_ids // LARGE_FIELDS
    for columns in (dataset.train, dataset.valid):
        ids_RF = columns.ids_RF
        for field in range(LARGE_FIELDS):  # id i with about 1 / i of the probability
            ids_RF[:, field] = of_field ** generator.random(len(ids_RF))
            sizes[field] = of_field
    before = anonymous_bytes(os.getpid()) / MEGABYTE
    given = {"embedding_optimiser": optimiser, "table_precision": precision, "batch_size": 2048}
    began = time.process_time()
    trained(dataset, 0, tuple(sizes), passes=2.0, evaluations_per_pass=1, patience=0, **given)
    return 2 * dataset.train.num_rows / (time.process_time() - began), before


def compare_speed(num_rows: int, num_ids: int, rounds: int, optimiser: str) -> None:
    """Print medians over rounds, and their ratios. Memory is what a training takes beside rows."""
    rates: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
    megabytes: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
    for _ in range(rounds):
        for precision in PRECISIONS:
            most, (told,) = run((rate, num_rows, num_ids, optimiser, precision))
            rows_a_second, before = told
            rates[precision].append(rows_a_second)
            megabytes[precision].append(most - before)
    for what, figures in (("rows a CPU second", rates), ("MB", megabytes)):
        fp32, bf16 = (median(figures[precision]) for precision in PRECISIONS)
        print(f"{optimiser}, {what}: fp32 {fp32:,.0f}, bf16 {bf16:,.0f}, ratio {bf16 / fp32:.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=["auc", "speed"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--ids", type=int, default=3_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--optimiser", choices=OPTIMISERS, default="lazy_adam")
    asked = parser.parse_args()
    if asked.part == "auc":
        compare_auc(asked.seeds)
    else:
        compare_speed(asked.rows, asked.ids, asked.rounds, asked.optimiser)
