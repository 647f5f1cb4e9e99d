"""Hashed ids: what they cost in AUC, and the memory and time of encoding a field of many values.

    python benchmarks/hashed_ids.py auc
    python benchmarks/hashed_ids.py encode --rows 4_000_000

`auc` is of a made-up table where an item's click rate is all there is to know. `encode` has as many
values as rows, of each type once, encoded in a process of its own.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

import hinet_search as hs
from hinet_search.common.spaced import say_nothing
from hinet_search.data.prepare import prepare
from hinet_search.results.finalist_values import chosen
from hinet_search.study.data_definition import DataDefinition
from in_processes import FOLDER, run

BUCKETS_A_VALUE = (None, 10, 4, 1, 0.1)  # None: no hashing
NUM_ITEMS = 500
NUM_BUCKETS = 100_000
STUDY = """\
data:
  source: {kind: table, path: rows.parquet}
  scenario: {every_row: All}
  tasks: {click: {column: clicked}}
  features: {categorical: [item, hour]HASHED}
  split: {by: random, seed: 1, valid: 0.15, test: 0.35}
arms: {shared_bottom: }
trials: 1
passes: 6
finalists: {top: 1, seeds: 3}
fixed: {train.batch_size: 512, model.trunk.widths: [16], train.learning_rate: 0.01}
slots: 1
device: cpu
"""


def items(num_rows: int = 30_000) -> pl.DataFrame:
    """Rows of items, some far more frequent than others, each with a click rate of its own."""
    draw = np.random.default_rng(3)
    rank = draw.random(num_rows) ** 2 * NUM_ITEMS
    item = draw.permutation(NUM_ITEMS)[rank.astype(int)]
    logit = draw.normal(size=NUM_ITEMS)[item] * 1.5 - 1
    return pl.DataFrame(
        {
            "item": [f"item {number}" for number in item],
            "hour": draw.integers(0, 24, num_rows),
            "clicked": draw.random(num_rows) < 1 / (1 + np.exp(-logit)),
        }
    )


def auc(folder: Path, buckets_a_value: float | None) -> float:
    """The mean AUC of three seeds on test."""
    items().write_parquet(folder / "rows.parquet")
    hashed = ""
    if buckets_a_value is not None:
        hashed = f", hashed: {{item: {int(NUM_ITEMS * buckets_a_value)}}}"
    study = folder / "study.yaml"
    study.write_text(STUDY.replace("HASHED", hashed))
    finalist = chosen(hs.launch(str(study), output=folder / "out").arms[0])
    assert finalist is not None
    areas = [run.test_cells[0].auc for run in finalist.runs if run.test_cells is not None]
    return float(np.mean([area for area in areas if area is not None]))


def encode(folder: Path, num_buckets: int | None) -> float:
    """Encode the rows of a folder; the seconds."""
    features = {"categorical": ["item"], "hashed": {"item": num_buckets} if num_buckets else {}}
    definition = DataDefinition.model_validate(
        {
            "source": {"kind": "table", "path": str(folder / "rows.parquet")},
            "scenario": {"every_row": "All"},
            "tasks": {"click": {"column": "clicked"}},
            "features": features,
            "split": {"by": "random", "seed": 1, "valid": 0.01, "test": 0.01},
        }
    )
    began = time.perf_counter()
    prepare(definition, folder, folder / f"cache_{num_buckets}", say_nothing)
    return time.perf_counter() - began


def compare_encoding(num_rows: int) -> None:
    """Print the seconds and the memory of a vocabulary and of buckets, of numbers and texts."""
    FOLDER.mkdir(exist_ok=True)
    draw = np.random.default_rng(0)
    numbers = pl.Series(draw.permutation(num_rows))
    for kind, values in (("numbers", numbers), ("texts", numbers.cast(pl.String) + " is an id")):
        with tempfile.TemporaryDirectory(dir=FOLDER) as name:
            folder = Path(name)
            clicked = draw.random(num_rows) < 0.5
            table = pl.DataFrame({"item": values, "clicked": clicked})
            table.write_parquet(folder / "rows.parquet")
            for num_buckets in (None, NUM_BUCKETS):
                megabytes, (seconds,) = run((encode, folder, num_buckets))
                what = f"{num_buckets:,} buckets" if num_buckets else "a vocabulary"
                print(f"{num_rows:,} {kind}, {what}: {seconds:.1f} s, {megabytes:,.0f} MB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=["auc", "encode"])
    parser.add_argument("--rows", type=int, default=4_000_000)
    given = parser.parse_args()
    if given.part == "encode":
        compare_encoding(given.rows)
    else:
        for number in BUCKETS_A_VALUE:
            with tempfile.TemporaryDirectory() as at:
                print(f"buckets a value {number}: test AUC {auc(Path(at), number):.4f}")
