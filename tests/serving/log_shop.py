"""A small shop whose models read the log: its studies, the rows of these, and newer ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from hinet_search.data.derived.inputs import derive_numbers
from hinet_search.data.rows import read_rows
from hinet_search.results.study_record import StudyRecord
from hinet_search.study.load_study import load_study
from tests.serving.shop import launch_shop, rows, shop_in

STUDY = """\
data:
  source: {kind: table, path: shop.parquet}
  scenario: {column: place, values: {1: Home, 2: Push}}
  tasks: {click: {column: clicked}, buy: {column: bought}}
  user: user
  item: item
  time: minute
  time_unit: s
  features:
    categorical: [user, item]
    numeric: [price, age]
    statistics: {by: [user]}
    events: {by: [user, [user, item]], labels_after: 10m, windows: [1h, all], last: 1}
    session: {gap: 30m}
  split: {by: time, valid_from: 36000, test_from: 48000}
  not_finite: impute
arms:
  all: {model: hinet}
  trees: {model: trees}
  visits: {model: mmoe, fixed: {features.groups: session}}
  counted: {model: mmoe, fixed: {features.groups: statistics}}
  raw: {model: mmoe, fixed: {features.groups: none}}
trials: 1
epochs: 1
finalists: {top: 1, seeds: 1}
fixed: {train.batch_size: 128}
slots: 1
device: cpu
"""
SEQUENCES = """\
data:
  source: {kind: table, path: shop.parquet}
  scenario: {column: place, values: {1: Home, 2: Push}}
  tasks: {click: {column: clicked}, buy: {column: bought}}
  user: user
  item: item
  time: minute
  time_unit: s
  features:
    categorical: [user, item]
    numeric: [price, age]
    events: {by: [user], labels_after: 1h, windows: [1h]}
    sequences:
      seen: {of: user, items: [item], labels: [click, buy], length: 7, labels_after: 10m}
      shown: {of: [item, place], items: [user, item], length: 3, reader: mean}
    distinct_by_scenario: [item]
  split: {by: time, valid_from: 36000, test_from: 48000}
  not_finite: impute
arms:
  din: {model: hinet}
  bst: {model: shared_bottom, fixed: {features.sequence_reader: bst, features.groups: sequences}}
  events: {model: mmoe, fixed: {features.groups: events}}
  trees: {model: trees}
trials: 1
epochs: 1
finalists: {top: 1, seeds: 2}
fixed: {train.batch_size: 128}
ensemble: true
slots: 1
device: cpu
"""
LAST, END = 60_000, 72_000  # seconds of the study, and of newer rows, of more than three hours


@cache
def shop() -> pl.DataFrame:
    """Rows in the order of time, of which the study has the first."""
    chosen = rows().filter(pl.col("place").is_in([1, 2])).with_columns(pl.col("minute") * 60)
    return chosen.filter(pl.col("minute") < END).sort("minute", maintain_order=True)


@cache
def newer() -> pl.DataFrame:
    return shop().filter(pl.col("minute") >= LAST)


@dataclass(frozen=True)
class LogShop:
    """A done study: its folder, which has an export named after every arm, and its record."""

    folder: Path
    record: StudyRecord


def launched(folder: Path, study: str, arms: Sequence[str] = ()) -> LogShop:
    """Launch a study of the earlier rows in a folder, and export its arms, or some of them."""
    done = launch_shop(folder, shop().filter(pl.col("minute") < LAST), study)
    for arm in arms or [arm.name for arm in done.record.arms]:
        done.export(arm, folder / arm)
    return LogShop(folder, done.record)


def log_shop_in(folder: Path) -> LogShop:
    """The study that was launched in a folder, or in one that this is a copy of."""
    return LogShop(folder, shop_in(folder).record)


def assert_close(scores: pl.DataFrame, expected: pl.DataFrame) -> None:
    """Equal but for the last bit, as sums of a network depend on the number of rows at once."""
    found = scores.select("click", "buy").to_numpy()
    assert_allclose(found, expected.select("click", "buy").to_numpy(), rtol=0, atol=1e-6)


def inputs_of_the_log(study: Path, folder: Path) -> NDArray[np.float32]:
    """The inputs that newer rows have as a part of one table with those of the study."""
    definition = load_study(study).spec.data
    shop().write_parquet(folder / "shop.parquet")
    derived = derive_numbers(definition, read_rows(definition, folder, folder))
    table = pl.concat([derived["events"], derived["session"]], how="horizontal")
    values: NDArray[np.float32] = table[-len(newer()) :].to_numpy()
    return values
