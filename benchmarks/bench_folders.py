"""Memory of encoding a partitioned folder of Parquet files, at several sizes.

    python benchmarks/bench_folders.py [--folder FOLDER] [MILLIONS OF ROWS ...]

The rows have eight categorical and three numeric columns, a user and two labels. Scenario and time
are partitions: folders `tab=home/day=2026-05-03`, a file for each. The same rows are also encoded
from one file with these two columns. A process of its own encodes each; anonymous memory is what it
holds beside mapped files; bytes a row are the growth from the smallest size. 18 million rows need
6 GB of disk in FOLDER, which are freed at the end.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import product
from pathlib import Path

import numpy as np
import polars as pl

from hinet_search.data.prepare import prepare
from hinet_search.data.sources.table import scan
from hinet_search.study.data_definition import DataDefinition
from in_processes import FOLDER, MEGABYTE, run
from layout import aligned

MILLION = 1_000_000
MILLIONS = (2.0, 6.0, 18.0)
TABS = {"home": 0.6, "search": 0.3, "push": 0.1}
DAYS = tuple(date(2026, 5, 1) + timedelta(days=day) for day in range(12))
FIELDS = tuple(f"field_{number}" for number in range(7))
NUMBERS = ("price", "age", "dwell")
NUM_IDS, NUM_USERS = 20_000, 200_000


@dataclass(frozen=True)
class FolderFigure:
    """Rows encoded in a process of its own; megabytes are anonymous, at their highest.

    `one_file_megabytes` are those of the same rows in one file.
    """

    num_rows: int
    num_files: int
    gigabytes: float
    seconds: float
    cpu_seconds: float
    megabytes: float
    one_file_megabytes: float


def bench_folders(folder: Path, millions: tuple[float, ...]) -> Iterator[FolderFigure]:
    """Write, encode and remove a folder of every size."""
    folder.mkdir(parents=True, exist_ok=True)
    for million in millions:
        with tempfile.TemporaryDirectory(prefix="folders-", dir=folder) as name:
            write_folder(Path(name) / "rows", round(million * MILLION))
            yield _figure(Path(name))


def write_folder(folder: Path, num_rows: int) -> None:
    """Write a file for every tab and day; labels carry no signal."""
    draw = np.random.default_rng(0)
    for (tab, share), day in product(TABS.items(), DAYS):
        target = folder / f"tab={tab}" / f"day={day}" / "part-0.parquet"
        target.parent.mkdir(parents=True)
        _drawn(draw, round(share * num_rows / len(DAYS))).write_parquet(target)


def _drawn(draw: np.random.Generator, size: int) -> pl.DataFrame:
    columns: dict[str, np.ndarray] = {
        name: (NUM_IDS * draw.random(size) ** 3).astype(np.int32)  # low ids are frequent
        for name in FIELDS
    }
    columns |= {name: draw.lognormal(0, 1, size).astype(np.float32) for name in NUMBERS}
    columns["user_id"] = draw.integers(0, NUM_USERS, size, dtype=np.int32)
    click = draw.random(size) < 0.2
    columns |= {"click": click.astype(np.int8), "order": (click & (draw.random(size) < 0.1))}
    return pl.DataFrame(columns).with_columns(pl.col("order").cast(pl.Int8))


def definition(path: str) -> DataDefinition:
    """Scenario and time are partitions."""
    return DataDefinition.model_validate(
        {
            "source": {"kind": "table", "path": path},
            "scenario": {"column": "tab"},
            "tasks": {"click": {"column": "click"}, "order": {"column": "order"}},
            "features": {"categorical": ["user_id", *FIELDS], "numeric": list(NUMBERS)},
            "user": "user_id",
            "time": "day",
            "split": {"by": "time", "valid_from": str(DAYS[-4]), "test_from": str(DAYS[-2])},
        }
    )


def _figure(folder: Path) -> FolderFigure:
    files = list((folder / "rows").glob("**/*.parquet"))
    megabytes, (num_rows, seconds, cpu_seconds) = _encoded(folder, "rows")
    scan("rows", folder, folder / "cache").sink_parquet(folder / "rows.parquet")
    one_file_megabytes, _ = _encoded(folder, "rows.parquet")
    return FolderFigure(
        num_rows=num_rows,
        num_files=len(files),
        gigabytes=sum(file.stat().st_size for file in files) / 1e9,
        seconds=seconds,
        cpu_seconds=cpu_seconds,
        megabytes=megabytes,
        one_file_megabytes=one_file_megabytes,
    )


def _encoded(folder: Path, path: str) -> tuple[float, tuple[int, float, float]]:
    """Encode in a process: its megabytes, and the rows, seconds and seconds of CPU."""
    megabytes, (told,) = run((_encode, folder, path))
    shutil.rmtree(folder / "cache")
    return megabytes, told


def _encode(folder: Path, path: str) -> tuple[int, float, float]:
    began, cpu_began = time.perf_counter(), time.process_time()
    dataset = prepare(definition(path), folder, folder / "cache", lambda _: None)
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
    return sum(dataset.record.rows), seconds, cpu_seconds


def table(figures: list[FolderFigure]) -> str:
    """The figures as text, a line for each folder."""
    head = ("rows", "files", "GB", "seconds", "of CPU", "anonymous MB", "of one file, MB")
    smallest = figures[0]
    lines = [(*_line(figure), _bytes_a_row(smallest, figure)) for figure in figures]
    return aligned([(*head, "bytes a row"), *lines])


def _bytes_a_row(smallest: FolderFigure, figure: FolderFigure) -> str:
    """How much memory grew from the smallest folder, by row."""
    num_more = figure.num_rows - smallest.num_rows
    if not num_more:
        return ""
    return f"{(figure.megabytes - smallest.megabytes) * MEGABYTE / num_more:.1f}"


def _line(figure: FolderFigure) -> tuple[str, ...]:
    return (
        f"{figure.num_rows:,}",
        str(figure.num_files),
        f"{figure.gigabytes:.2f}",
        f"{figure.seconds:.0f}",
        f"{figure.cpu_seconds:.0f}",
        f"{figure.megabytes:,.0f}",
        f"{figure.one_file_megabytes:,.0f}",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("millions", nargs="*", type=float, default=list(MILLIONS))
    parser.add_argument("--folder", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    print(table(list(bench_folders(arguments.folder, tuple(arguments.millions)))))


if __name__ == "__main__":
    main()
