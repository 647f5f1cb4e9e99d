"""A shop whose users and items change by the day: its study of all kinds of ids, and its nights."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import hinet_search as hs
from hinet_search.serving.model_folder import ExportedModel, open_folder
from hinet_search.training.device import choose_device
from tests.serving.shop import SHORT, Shop, launch_shop

DAY = 86_400
STUDY_DAYS = 10
ROWS_A_DAY = 200
USERS, ITEMS = 30, 10  # that a day has, of which some are new and some go every day
TASTE = np.random.default_rng(7).normal(size=1_000) * 2
STUDY = """\
data:
  source: {kind: table, path: shop.parquet}
  scenario: {column: place, values: {1: Home, 2: Push}}
  tasks: {click: {column: clicked}, buy: {column: bought}}
  user: user
  item: item
  time: second
  time_unit: s
  features:
    categorical: [user, item]
    numeric: [price]
    lists:
      tags: {column: tags, length: 3}
      basket: {column: basket, item: item, length: 3}
    statistics: {by: [user, [user, item]], clock: second, day_length: 86400, refresh: day}
    events: {by: [item, [user, item]], labels_after: 1h, windows: [1h, all], last: 1}
    session: {gap: 30m}
    sequences:
      seen: {of: user, items: [item], labels: [click], length: 4, labels_after: 10m}
  split: {by: time, valid_from: 518400, test_from: 691200}
arms:
  all: {model: mmoe}
  trees: {model: trees}
ensemble: true
"""


def day(number: int, num_rows: int = ROWS_A_DAY) -> pl.DataFrame:
    """The rows of a day, from 0: of users from 4 times its number on, of items from its number."""
    draw = np.random.default_rng(number)
    user = draw.integers(0, USERS, num_rows) + 4 * number
    click = draw.random(num_rows) < 1 / (1 + np.exp(-TASTE[user]))
    baskets = [draw.integers(0, ITEMS, draw.integers(0, 4)) + number for _ in range(num_rows)]
    tags = [draw.integers(0, 6, draw.integers(1, 4)) + 2 * number for _ in range(num_rows)]
    return pl.DataFrame(
        {
            "place": draw.choice([1, 2], num_rows),
            "user": user,
            "item": draw.integers(0, ITEMS, num_rows) + number,
            "price": draw.normal(100, 20, num_rows).round(2),
            "basket": pl.Series(baskets, dtype=pl.List(pl.Int64)),
            "tags": pl.Series([[f"t{tag}" for tag in of_row] for of_row in tags]),
            "clicked": click.astype(np.int8),
            "bought": (click & (draw.random(num_rows) < 0.5)).astype(np.int8),
            "second": DAY * number + np.sort(draw.integers(0, DAY, num_rows)),
        }
    )


def days(first: int, last: int) -> pl.DataFrame:
    """The rows of some days, the last included."""
    return pl.concat([day(number) for number in range(first, last + 1)])


def launched(folder: Path) -> Shop:
    """The study of the first days."""
    return launch_shop(folder, days(0, STUDY_DAYS - 1), STUDY + SHORT)


def refitted(model: Path, frame: pl.DataFrame, to: Path, **more: Any) -> hs.NewerModel:
    """A model whose ids and statistics go on with rows, and whose weights stay."""
    path = to.with_suffix(".parquet")
    frame.write_parquet(path)
    options = {"learning_rate": 0, "even_if_worse": True, **more}
    return hs.refit(model, path, to, **options)


def opened(folder: Path) -> ExportedModel:
    """An exported model in memory."""
    return open_folder(folder, choose_device("cpu").device)


def values(folder: Path) -> dict[str, set[Any]]:
    """The values with an id, by vocabulary."""
    encoding = opened(folder).encoder.encoding
    return {each.name: set(each.table["value"]) for each in encoding.all_vocabularies}
