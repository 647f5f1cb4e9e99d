"""Encoding speed: encode a Parquet file of 30 columns, and load it again from the cache."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import polars as pl

from hinet_search.data.prepare import prepare
from hinet_search.study.data_definition import DataDefinition
from layout import aligned
from work import write_table

SECOND_STARTS = 5


@dataclass(frozen=True)
class EncodeFigure:
    """Seconds, medians over rounds; `second_start_seconds` is `prepare` with a filled cache."""

    num_rows: int
    num_columns: int
    file_bytes: int
    seconds: float
    second_start_seconds: float


def bench_encode(num_rows: int, *, rounds: int) -> EncodeFigure:
    """Encode into an empty cache `rounds` times.

    The file was just written, so it is read from memory, not from disk.
    """
    with tempfile.TemporaryDirectory(prefix="hinet-search-bench-") as name:
        folder = Path(name)
        file = folder / "rows.parquet"
        definition = write_table(file, num_rows)
        first = [_seconds(definition, folder, f"cache_{number}") for number in range(rounds)]
        again = [_seconds(definition, folder, "cache_0") for _ in range(SECOND_STARTS)]
        return EncodeFigure(
            num_rows=num_rows,
            num_columns=len(pl.read_parquet_schema(file)),
            file_bytes=file.stat().st_size,
            seconds=median(first),
            second_start_seconds=median(again),
        )


def _seconds(definition: DataDefinition, folder: Path, cache: str) -> float:
    began = time.perf_counter()
    prepare(definition, folder, folder / cache, lambda _: None)
    return time.perf_counter() - began


def table(figure: EncodeFigure) -> str:
    """The figure as text, a line each."""
    what = f"{figure.num_rows:,} x {figure.num_columns}"
    lines = [
        (f"encode {what}, s", f"{figure.seconds:.2f}"),
        ("second start, s", f"{figure.second_start_seconds:.3f}"),
    ]
    return aligned(lines)
