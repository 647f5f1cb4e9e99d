"""Memory of `data get`: files in the layouts of Ali-CCP and Tenrec, converted at several sizes.

    python benchmarks/bench_published.py [DATA SET [MILLIONS OF ROWS ...]]

Values are drawn at random: a sample has 10 features, a line of common features 109. In published
Ali-CCP 730,000 lines of common features serve 85 million samples. Files of fewer samples have fewer
lines in proportion; the last run of the largest size has all of them.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from hinet_search.data.published import ali_ccp, tenrec
from layout import aligned

MILLION = 1_000_000
DATA_SETS = ("ali-ccp", "tenrec")
MILLIONS = (1.0, 4.0, 12.0)
BLOCK = 50_000  # rows that are drawn at once
POLL_SECONDS = 0.05
ALL_SAMPLES, ALL_COMMON = 85 * MILLION, 730_000
HISTORIES = ("109_14", "110_14", "127_14", "150_14")
NUM_ENTRIES = 25  # of every history
NUM_IDS = {"101": 240_000, "205": 470_000, "207": 260_000, "216": 106_000, "509": 105_000}
FEW_IDS = 5_000  # of other fields
# On the disk of the checkout: a folder for temporary files may be memory.
FOLDER = Path(__file__).resolve().parent.parent / ".benchmarks"


@dataclass(frozen=True)
class PublishedFigure:
    """One conversion in a process of its own; megabytes are its resident memory at its highest."""

    data_set: str
    num_rows: int
    num_common: int
    input_gigabytes: float
    seconds: float
    cpu_seconds: float
    megabytes: float
    table_gigabytes: float
    num_row_groups: int


def bench_published(
    data_sets: tuple[str, ...] = DATA_SETS, millions: tuple[float, ...] = MILLIONS
) -> list[PublishedFigure]:
    """Convert files of every size; for Ali-CCP, once more with all lines of common features."""
    figures = []
    for data_set in data_sets:
        rows = [round(million * MILLION) for million in millions]
        if data_set == "ali-ccp":
            sizes = [(num_rows, num_rows * ALL_COMMON // ALL_SAMPLES) for num_rows in rows]
            sizes.append((rows[-1], ALL_COMMON))
            figures += [_figure(data_set, *size, write_ali_ccp) for size in sizes]
        else:
            figures += [_figure(data_set, num_rows, 0, write_tenrec) for num_rows in rows]
    return figures


def _figure(
    data_set: str, num_rows: int, num_common: int, write: Callable[[Path, int, int], None]
) -> PublishedFigure:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="published-", dir=FOLDER) as name:
        folder = Path(name)
        (folder / "raw").mkdir()
        write(folder / "raw", num_rows, num_common)
        num_bytes = sum(file.stat().st_size for file in (folder / "raw").iterdir())
        seconds, cpu_seconds, megabytes = _converted(data_set, folder / "raw", folder / "out")
        (table,) = (folder / "out").glob("*/*.parquet")
        written = pq.read_metadata(table)
        return PublishedFigure(
            data_set=data_set,
            num_rows=written.num_rows,
            num_common=num_common,
            input_gigabytes=num_bytes / 1e9,
            seconds=seconds,
            cpu_seconds=cpu_seconds,
            megabytes=megabytes,
            table_gigabytes=table.stat().st_size / 1e9,
            num_row_groups=written.num_row_groups,
        )


def _converted(data_set: str, raw: Path, out: Path) -> tuple[float, float, float]:
    """Run the command: (seconds, seconds of CPU, megabytes that it held at its highest)."""
    program = "from hinet_search.cli import main; main()"
    arguments = ["data", "get", data_set, "--from", str(raw), "-o", str(out)]
    began, cpu_began = time.perf_counter(), _cpu_seconds()
    with subprocess.Popen(
        [sys.executable, "-c", program, *arguments], stdout=subprocess.DEVNULL
    ) as process:
        highest = 0
        while process.poll() is None:
            # The system keeps the highest value, so the last one read is that of the process.
            highest = _highest_bytes(process.pid) or highest
            time.sleep(POLL_SECONDS)
    if process.returncode:
        raise SystemExit(f"data get {data_set} has ended with {process.returncode}")
    seconds = time.perf_counter() - began
    return seconds, _cpu_seconds() - cpu_began, highest / 2**20


def _cpu_seconds() -> float:
    """Seconds of CPU of all processes that this one has started and that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _highest_bytes(process_id: int) -> int:
    """The most resident bytes that a process has had; 0 when it is gone."""
    try:
        lines = Path(f"/proc/{process_id}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def write_ali_ccp(folder: Path, num_rows: int, num_common: int) -> None:
    """Half of the samples are train, half test; both have the same lines of common features."""
    draw = np.random.default_rng(0)
    common = folder / "common_features_train.csv"
    _write(common, (_common(draw, block) for block in _blocks(num_common)))
    os.link(common, folder / "common_features_test.csv")
    for part in ("train", "test"):
        blocks = _blocks(num_rows // 2)
        file = folder / f"sample_skeleton_{part}.csv"
        _write(file, (_skeleton(draw, block, num_common) for block in blocks))


def _common(draw: np.random.Generator, lines: range) -> pl.DataFrame:
    fields = [field for field in ali_ccp.OF_USER if field not in HISTORIES]
    entries = [_entry(draw, field, len(lines), "1.0") for field in fields]
    for history in HISTORIES:
        values = draw.integers(1, 9, (NUM_ENTRIES, len(lines))) / 2
        entries += [_entry(draw, history, len(lines), pl.Series(row)) for row in values]
    return pl.DataFrame({"key": _keys(np.arange(lines.start, lines.stop))}).select(
        "key", pl.lit(len(entries)).alias("count"), _joined(entries)
    )


def _skeleton(draw: np.random.Generator, lines: range, num_common: int) -> pl.DataFrame:
    size = len(lines)
    click = draw.random(size) < 0.04
    fields = [field for field in ali_ccp.OF_SAMPLE if field != ali_ccp.SCENARIO]
    entries = [_entry(draw, field, size, "1.0") for field in fields]
    scenario = pl.Series(draw.integers(1, 4, size))
    entries.append(pl.format(f"{ali_ccp.SCENARIO}\x02{{}}\x031.0", scenario))
    return pl.DataFrame({"sample_id": np.arange(lines.start, lines.stop)}).select(
        "sample_id",
        pl.Series("click", click).cast(pl.Int8),
        pl.Series("purchase", click & (draw.random(size) < 0.01)).cast(pl.Int8),
        _keys(draw.integers(0, num_common, size)),
        pl.lit(len(entries)).alias("count"),
        _joined(entries),
    )


def _entry(draw: np.random.Generator, field: str, size: int, value: str | pl.Series) -> pl.Expr:
    """A feature of a field for every row; low ids are frequent."""
    ids = pl.Series((NUM_IDS.get(field, FEW_IDS) * draw.random(size) ** 2).astype(np.int64))
    return pl.format(f"{field}\x02{{}}\x03{{}}", ids, pl.lit(value))


def _joined(entries: list[pl.Expr]) -> pl.Expr:
    return pl.concat_str(entries, separator="\x01").alias("features")


def _keys(numbers: np.ndarray) -> pl.Series:
    """Sixteen digits for a number, as the published keys have."""
    return pl.Series("key", numbers).cast(pl.String).str.zfill(16)


def write_tenrec(folder: Path, num_rows: int, _: int) -> None:
    """All but a hundredth of the rows are of the first app."""
    draw = np.random.default_rng(0)
    few = num_rows // 100
    for name, size in zip(tenrec.APPS, (num_rows - few, few), strict=True):
        blocks = (_videos(draw, block) for block in _blocks(size))
        _write(folder / name, blocks, header=",".join(tenrec.ROW.columns))


def _videos(draw: np.random.Generator, lines: range) -> pl.DataFrame:
    size = len(lines)
    category = pl.Series(draw.integers(-1, 30, size)).cast(pl.String).replace("-1", r"\N")
    columns = {
        "user_id": np.arange(lines.start, lines.stop) // 100,
        "item_id": (3_000_000 * draw.random(size) ** 2).astype(np.int64),
        **{label: draw.integers(0, 2, size) for label in tenrec.LABELS},
        "video_category": category,
        "watching_times": draw.integers(0, 20, size),
        "gender": draw.integers(0, 3, size),
        "age": draw.integers(0, 8, size),
    }
    return pl.DataFrame(columns).select(tenrec.ROW.columns)


def _blocks(num_rows: int) -> Iterator[range]:
    for start in range(0, num_rows, BLOCK):
        yield range(start, min(num_rows, start + BLOCK))


def _write(file: Path, frames: Iterator[pl.DataFrame], header: str = "") -> None:
    with file.open("wb") as stream:
        stream.write(f"{header}\n".encode() if header else b"")
        for frame in frames:
            frame.write_csv(stream, include_header=False, quote_style="never")


def table(figures: list[PublishedFigure]) -> str:
    """The figures as text, a conversion each."""
    names = ("data set", "rows", "common", "GB read", "s", "s of CPU", "rows/s of CPU", "MB")
    lines = [(*names, "GB written", "row groups")]
    lines += [
        (
            figure.data_set,
            f"{figure.num_rows:,}",
            f"{figure.num_common:,}",
            f"{figure.input_gigabytes:.2f}",
            f"{figure.seconds:.0f}",
            f"{figure.cpu_seconds:.0f}",
            f"{figure.num_rows / figure.cpu_seconds:,.0f}",
            f"{figure.megabytes:,.0f}",
            f"{figure.table_gigabytes:.2f}",
            f"{figure.num_row_groups:,}",
        )
        for figure in figures
    ]
    return aligned(lines)


if __name__ == "__main__":
    sizes = tuple(float(text) for text in sys.argv[2:]) or MILLIONS
    print(table(bench_published(tuple(sys.argv[1:2]) or DATA_SETS, sizes)))
