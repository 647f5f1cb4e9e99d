"""A small shop whose model reads the log: its study, the rows of the study, and newer ones."""

from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.derived.asked_log import seen_log
from hinet_search.data.derived.inputs import derive_numbers
from hinet_search.data.rows import read_rows
from hinet_search.serving.live.live_log import LiveLog
from hinet_search.study.load_study import load_study
from tests.serving.shop import rows

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
passes: 1
finalists: {top: 1, seeds: 1}
fixed: {train.batch_size: 128}
slots: 1
device: cpu
"""
LAST = 60_000  # seconds of the study; later rows are newer
OF_THE_LOG = ("all", "trees", "visits")


def shop() -> pl.DataFrame:
    """Rows in the order of time, of which the study has the first."""
    chosen = rows().filter(pl.col("place").is_in([1, 2])).with_columns(pl.col("minute") * 60)
    return chosen.sort("minute", maintain_order=True)


def newer() -> pl.DataFrame:
    return shop().filter(pl.col("minute") >= LAST)


def seen(live: LiveLog, frame: pl.DataFrame) -> NDArray[np.float32]:
    """The numbers that rows see of a live log."""
    return seen_log(live.index(), frame, "minute").value_RC


def inputs_of_the_log(study: Path, folder: Path) -> NDArray[np.float32]:
    """The inputs that newer rows have as a part of one table with those of the study."""
    definition = load_study(study).spec.data
    shop().write_parquet(folder / "shop.parquet")
    derived = derive_numbers(definition, read_rows(definition, folder, folder))
    table = pl.concat([derived.events, derived.session], how="horizontal")
    values: NDArray[np.float32] = table[-len(newer()) :].to_numpy()
    return values
