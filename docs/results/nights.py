"""Nights: how often a fortnight of unchanged nights has an alarm, and what is found.

`python docs/results/nights.py --fortnights 200` trains and exports a model, then lets
`hinet-search nightly` take fourteen nights of the same source, so many times; afterwards a night
whose price is broken, and one after a night with reversed labels. A fortnight takes 15 to 30
seconds.
"""

import argparse
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl
from claims_of_refit import STUDY, rate, shop_rows
from claims_rows import Row

import hinet_search as hs
from hinet_search.serving.nightly.night import NIGHTS

FIRST = 12_000  # minute, after the rows of the study


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

    def nights(self, seed: int, num_rows: int) -> Iterator[hs.Night]:
        """Take fourteen unchanged nights; what they served stays until the next fortnight."""
        shutil.rmtree(self.folder / "served", ignore_errors=True)
        for number in range(NIGHTS):
            yield self.night(
                shop_rows(num_rows, 1_000 * seed + number, self.first(number, num_rows))
            )

    def night(self, frame: pl.DataFrame) -> hs.Night:
        """Take one night."""
        rows = self.folder / "night.parquet"
        frame.write_parquet(rows)
        return hs.nightly(self.folder / "model", rows, self.folder / "served")

    @staticmethod
    def first(number: int, num_rows: int) -> int:
        """The first minute of a night."""
        return FIRST + number * num_rows


def rows_of_table(fortnights: int, num_rows: int, folder: Path) -> Iterator[Row]:
    """Yield the rates of false alarms, of nights below the shipped model, and of what is found."""
    shop = Fortnights(folder)
    false: list[bool] = []
    broken: list[bool] = []
    below: list[bool] = []
    for seed in range(1, fortnights + 1):
        taken = list(shop.nights(seed, num_rows))
        false.append(any(night.alarms for night in taken))
        later = [
            shop_rows(
                num_rows, 1_000 * seed + NIGHTS + number, shop.first(NIGHTS + number, num_rows)
            )
            for number in range(3)
        ]
        broken.append(_names(shop.night(broken_price(later[0])), "price"))
        shop.night(reversed_labels(later[1]))
        below.append(_names(shop.night(later[2]), "below the shipped model"))
    words = f"{num_rows:,} rows a night"
    yield rate(f"nightly, a fortnight of unchanged nights of {words}: any alarm", false)
    yield rate(f"nightly, a broken column, {words}: alarmed", broken, None)
    yield rate(f"nightly, a night after one with reversed labels, {words}: alarmed", below, None)


def _names(night: hs.Night, what: str) -> bool:
    return any(what in alarm for alarm in night.alarms)


def printed(rows: Sequence[Row]) -> None:
    """Print rows as those of a table."""
    print("| claim | share | 95 % interval | allowed | fortnights |\n|---|---|---|---|---|")
    for each in rows:
        allowed = "" if each.allowed is None else f"{each.allowed:g}"
        span = f"{each.low:.3f} to {each.high:.3f}"
        print(f"| {each.words} | {each.share:.3f} | {span} | {allowed} | {each.studies} |")


def main() -> None:
    """Print the rates."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fortnights", type=int, default=200)
    parser.add_argument("--rows", type=int, nargs="+", default=[600, 2000], help="of a night")
    options = parser.parse_args()
    table: list[Row] = []
    for num_rows in options.rows:
        with tempfile.TemporaryDirectory() as name:
            table += rows_of_table(options.fortnights, num_rows, Path(name))
    printed(table)


if __name__ == "__main__":
    main()
