"""A small shop of two weeks whose statistics are counted anew: its study, and newer rows."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.derived.inputs import derive_numbers
from hinet_search.data.rows import read_rows
from hinet_search.serving.history import RolledInputs
from hinet_search.serving.live.journal import Journal
from hinet_search.serving.live.live_log import LiveLog, TakenEvents
from hinet_search.serving.requests.document import columns_of
from hinet_search.serving.requests.rows import RequestRows
from hinet_search.serving.requests.served_model import open_served
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


def event(number: int, *, labels: bool = True, **changed: Any) -> dict[str, Any]:
    """The event of a newer row."""
    row = newer().row(number, named=True)
    columns = (*COLUMNS, *LABELS) if labels else COLUMNS
    return {"id": f"row {number}", **{name: row[name] for name in columns}, **changed}


class Served:
    """A model that takes events, which `restart` ends and opens again."""

    def __init__(self, folder: Path, state: Path) -> None:
        self.folder = folder
        self.state = state
        self.open()

    def open(self) -> None:
        self.journal = Journal(self.state)
        self.model = open_served(self.folder, self.state, self.journal)
        assert self.model.live is not None
        self.live: LiveLog = self.model.live

    def close(self) -> None:
        self.journal.close()

    def restart(self) -> None:
        self.close()
        self.open()

    def add(self, *events: Mapping[str, Any]) -> TakenEvents:
        """Send events."""
        return self.live.add({"events": list(events)})

    def derived(self, frame: pl.DataFrame) -> NDArray[np.float32]:
        """The derived numbers of rows that ask in one request, as they are."""
        return self.model.encoder._derived(self._asked(frame)).number_DR.T.astype(np.float32)

    def numbers(self, frame: pl.DataFrame) -> NDArray[np.float32]:
        """The encoded numbers of rows that ask in one request."""
        return self.model.encoder.encode(self._asked(frame)).numeric_RN

    def _asked(self, frame: pl.DataFrame) -> RequestRows:
        names = self.model.columns
        asked = columns_of({"columns": frame.select(names).to_dict(as_series=False)}, names)
        return self.model.reader.read(asked)

    def number(self, row: int) -> NDArray[np.float32]:
        """The encoded numbers of a newer row that asks alone."""
        numbers: NDArray[np.float32] = self.numbers(newer()[row : row + 1])[0]
        return numbers


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
    encoder = open_served(model).exported.encoder
    numbers: NDArray[np.float32] = encoder.columns(newer(), inputs).numeric_RN
    return numbers
