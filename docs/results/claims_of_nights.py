"""Claims of nights: how often a fortnight of unchanged nights has an alarm, and what is found.

`python docs/results/claims.py --part nights --studies 200` trains and exports a model, then lets
`hinet-search nightly` take fourteen nights of the same source, so many times; afterwards a night
whose price is broken, and one after a night with reversed labels. Here a study is a fortnight.
"""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl
from claims_of_refit import STUDY, rate, shop_rows
from claims_rows import Row

import hinet_search as hs
from hinet_search.serving.nightly.night import NIGHTS

FIRST = 12_000  # minute, after the rows of the study
ROWS = 600  # a night


def reversed_labels(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows of a night whose labels are the wrong way round."""
    return frame.with_columns(clicked=1 - pl.col("clicked"))


def broken_price(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows of a night whose price is 0."""
    return frame.with_columns(price=pl.lit(0.0))


class Fortnights:
    """A shipped model, and nights of its source."""

    def __init__(self, folder: Path) -> None:
        """Train and export the model."""
        self.folder = folder
        shop_rows(FIRST, 0, 0).write_parquet(folder / "shop.parquet")
        study = folder / "study.yaml"
        study.write_text(STUDY)
        hs.launch(str(study), output=folder / "out")
        hs.export(str(study), folder / "model", output=folder / "out")

    def nights(self, seed: int) -> Iterator[hs.Night]:
        """Take fourteen unchanged nights; what they served stays until the next fortnight."""
        shutil.rmtree(self.folder / "served", ignore_errors=True)
        for number in range(NIGHTS):
            yield self.night(rows_of_night(seed, number))

    def night(self, frame: pl.DataFrame) -> hs.Night:
        """Take one night."""
        rows = self.folder / "night.parquet"
        frame.write_parquet(rows)
        return hs.nightly(self.folder / "model", rows, self.folder / "served")


def rows_of_night(seed: int, number: int) -> pl.DataFrame:
    """The rows of a night of a fortnight."""
    return shop_rows(ROWS, 1_000 * seed + number, FIRST + number * ROWS)


def rates(fortnights: int, folder: Path) -> Iterator[Row]:
    """Yield the rates of false alarms, and of what is found."""
    shop = Fortnights(folder)
    false: list[bool] = []
    broken: list[bool] = []
    below: list[bool] = []
    for seed in range(1, fortnights + 1):
        false.append(any(night.alarms for night in list(shop.nights(seed))))
        later = [rows_of_night(seed, NIGHTS + number) for number in range(3)]
        broken.append(_names(shop.night(broken_price(later[0])), "price"))
        shop.night(reversed_labels(later[1]))
        below.append(_names(shop.night(later[2]), "below the shipped model"))
    words = f"{ROWS} rows a night"
    yield rate(f"nightly, a fortnight of unchanged nights, {words}: any alarm", false)
    yield rate(f"nightly, a column that broke, {words}: alarmed", broken, None)
    yield rate(f"nightly, the night after one of reversed labels, {words}: alarmed", below, None)


def _names(night: hs.Night, what: str) -> bool:
    return any(what in alarm for alarm in night.alarms)


def tables(fortnights: int) -> dict[str, list[Row]]:
    """Return the rates as rows of a table."""
    with tempfile.TemporaryDirectory() as name:
        return {"Nights": list(rates(fortnights, Path(name)))}
