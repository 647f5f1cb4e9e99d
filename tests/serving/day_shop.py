"""A small shop of two weeks whose statistics are counted anew: its study, and newer rows."""

from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from hinet_search.data.derived.inputs import derive_numbers
from hinet_search.data.rows import read_rows
from hinet_search.serving.history import RolledInputs
from hinet_search.serving.model_folder import open_folder
from hinet_search.study.load_study import load_study
from tests.serving.shop import SHORT, one_export, rows

STUDY = """\
data:
  source: {{kind: table, path: shop.parquet}}
  scenario: {{column: place, values: {{1: Home, 2: Push}}}}
  tasks:
    click: {{column: clicked}}
    buy: {{column: bought, scenarios: [Push]}}
  user: user
  item: item
  time: second
  time_unit: s
  features:
    categorical: [user, item]
    statistics: {{by: [user, [item, place]], clock: second, day_length: 86400, {freshness}}}
{others}
  split: {{by: time, valid_from: 518400, test_from: 691200}}
arms: {{counted: {{model: mmoe}}}}
"""
LOG = """\
    events: {by: [user, [user, item]], labels_after: 10m, windows: [1h, all], last: 1}
    session: {gap: 30m}
"""
KINDS = {
    "alone": {"freshness": "refresh: day", "others": ""},
    "late": {"freshness": "refresh: day, labels_after: 1d", "others": ""},
    "with a log": {"freshness": "refresh: day", "others": LOG},
}
DAY = 86_400
LAST = 10 * DAY  # seconds of the study; later rows are newer
COLUMNS = ("user", "item", "second", "place")
LABELS = ("clicked", "bought")


@cache
def shop() -> pl.DataFrame:
    """Eighty rows a day, and forty a day of newer ones, in the order of time."""
    chosen = rows().with_columns(second=pl.col("minute") * (DAY // 100))
    is_kept = (pl.col("second") < LAST) | (pl.col("minute") % 2 == 0)
    return chosen.filter(pl.col("place").is_in([1, 2]) & is_kept).drop("minute")


@cache
def newer() -> pl.DataFrame:
    return shop().filter(pl.col("second") >= LAST)


def launched(folder: Path, kind: str) -> Path:
    """The exported model of a study of the earlier rows."""
    earlier = shop().filter(pl.col("second") < LAST)
    return one_export(folder, earlier, STUDY.format(**KINDS[kind]) + SHORT)


def numbers_of_one_table(model: Path, folder: Path) -> NDArray[np.float32]:
    """The encoded numbers that newer rows have as a part of one table with those of the study."""
    definition = load_study(model.parent / "shop.yaml").spec.data
    shop().write_parquet(folder / "shop.parquet")
    derived = derive_numbers(definition, read_rows(definition, folder, folder))
    log = pl.concat([derived.events, derived.session], how="horizontal")
    inputs = RolledInputs(
        statistics=derived.statistics[-len(newer()) :],
        log=log[-len(newer()) :] if log.width else None,
    )
    encoder = open_folder(model, torch.device("cpu")).encoder
    numbers: NDArray[np.float32] = encoder.columns(newer(), inputs).numeric_RN
    return numbers
