"""Run the benchmarks: print one table and keep the figures with machine and commit in results/."""

import argparse
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import torch

from bench_encode import EncodeFigure, bench_encode
from bench_statistics import StatisticsFigure, bench_statistics
from bench_training import TrainingFigure, bench_training
from hinet_search.search.launch import versions
from work import make_dataset

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Extent:
    """How much is measured."""

    num_rows: int
    training_rounds: int
    steps: int
    encode_rounds: int
    statistics_rounds: int


@dataclass(frozen=True)
class Figures:
    """What was measured."""

    training: Sequence[TrainingFigure]
    encode: EncodeFigure
    statistics: StatisticsFigure


FULL = Extent(num_rows=1_000_000, training_rounds=15, steps=20, encode_rounds=3, statistics_rounds=3)
QUICK = Extent(num_rows=200_000, training_rounds=5, steps=8, encode_rounds=1, statistics_rounds=1)


@dataclass(frozen=True)
class Machine:
    """Where the figures were taken. `load` is the mean number of running processes in the minute before."""

    cpu: str
    cores: int
    load: float
    torch_threads: int
    polars_threads: int
    versions: dict[str, str]


def main() -> None:
    """Parse, measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="200,000 rows and fewer rounds, half a minute")
    quick = parser.parse_args().quick
    extent = QUICK if quick else FULL
    torch.set_num_threads(1)
    machine = this_machine()
    figures = Figures(
        encode=bench_encode(extent.num_rows, rounds=extent.encode_rounds),
        statistics=bench_statistics(extent.num_rows, rounds=extent.statistics_rounds),
        training=bench_training(make_dataset(extent.num_rows), rounds=extent.training_rounds, steps=extent.steps),
    )
    print(table(figures))
    print(f"\n{machine.cpu}, {machine.cores} cores, load {machine.load:.1f} at the start; training on one thread.")
    file = keep({"quick": quick, "extent": asdict(extent), "machine": asdict(machine)}, figures)
    print(f"kept in {file}")


def this_machine() -> Machine:
    """The processor by its name where the system tells it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return Machine(
        cpu=names[0] if names else platform.machine(),
        cores=os.cpu_count() or 1,
        load=os.getloadavg()[0],
        torch_threads=torch.get_num_threads(),
        polars_threads=pl.thread_pool_size(),
        versions=dict(versions()),
    )


def table(figures: Figures) -> str:
    """The figures as text, a line each."""
    encode, statistics = figures.encode, figures.statistics
    size, keys = f"{encode.num_rows:,} x {encode.num_columns}", f"{statistics.num_rows:,} x {statistics.num_keys} keys"
    lines = [("", "ours", "plain", "ratio (range)", "of fp32 limit")]
    lines += [
        (
            f"train {one.model}, rows/s",
            f"{one.rows_per_second:,.0f}",
            f"{one.plain_rows_per_second:,.0f}",
            f"{one.ratio:.2f} ({one.ratio_low:.2f}-{one.ratio_high:.2f})",
            f"{one.of_limit:.0%} of {one.limit:,.0f}",
        )
        for one in figures.training
    ]
    lines += [
        (f"encode {size}, s", f"{encode.seconds:.2f}", "", "", ""),
        ("second start, s", f"{encode.second_start_seconds:.3f}", "", "", ""),
        (f"statistics by day {keys}, s", f"{statistics.clock_seconds:.2f}", "", "", ""),
        (f"statistics by fold {keys}, s", f"{statistics.fold_seconds:.2f}", "", "", ""),
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            [name.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))]
        ).rstrip()
        for name, *cells in lines
    )


def keep(about: dict[str, object], figures: Figures) -> Path:
    """Write results/DATE-COMMIT.json; a later run of the same day and commit replaces it."""
    commit = versions().get("git commit", "no-commit")
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{datetime.now(UTC):%Y-%m-%d}-{commit}.json"
    content = {**about, **asdict(figures)}
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return file


if __name__ == "__main__":
    main()
