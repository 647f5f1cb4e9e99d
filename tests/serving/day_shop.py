"""A small shop of two weeks whose statistics are counted anew: its study, and newer rows."""

from functools import cache
from pathlib import Path

import polars as pl

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
