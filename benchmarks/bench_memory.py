"""Memory and start-up of slots on a large table: encoding, two slots training, data on disk.

Private memory is what a process holds for itself; the mapped columns belong to all of them and to
the disk's cache.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from hinet_search.data.prepare import prepare
from hinet_search.study.data_definition import DataDefinition
from hinet_search.training.jobs.messages import TrainingResult, TrainJob
from hinet_search.training.jobs.train import train
from hinet_search.training.train_config import Shuffle
from hinet_search.training.trial_config import build_config
from in_processes import FOLDER, MEGABYTE, run
from layout import aligned
from work import write_table

SLOTS, TRIALS = 2, 3
STEPS, BATCH = 200, 2048


@dataclass(frozen=True)
class MemoryFigure:
    """Megabytes of private memory at their highest, and seconds.

    `encode_megabytes` and `quarter_megabytes` are of encoding all rows and a quarter of them.
    `slots_megabytes` is the sum over two slots that train at once, `start_seconds` the median time
    of later jobs of a slot to their first step. The rates are rows a second of Shared Bottom: in
    the disk's cache in random order, and from the disk in blocks.
    """

    num_rows: int
    encode_seconds: float
    encode_megabytes: float
    quarter_megabytes: float
    slots_megabytes: float
    start_seconds: float
    cached_rows_per_second: float
    from_disk_rows_per_second: float


def bench_memory(num_rows: int, *, epochs: float) -> MemoryFigure:
    """Encode one table and run slots, each in its own process.

    `epochs` are those of the trainings from disk.
    """
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="memory-", dir=FOLDER) as name:
        folder = Path(name)
        quarter_megabytes, _ = _encoded(folder, num_rows // 4)
        encode_megabytes, encode_seconds = _encoded(folder, num_rows)
        encoded = _dataset_folder(folder, num_rows)
        slot = (_train, encoded, STEPS * BATCH / (0.8 * num_rows), "rows", TRIALS)
        slots_megabytes, told = run(*[slot] * SLOTS)
        rates = {}
        for shuffle in ("rows", "blocks"):
            _warm(encoded) if shuffle == "rows" else _forget(encoded)
            rates[shuffle] = run((_train, encoded, epochs, shuffle, 1))[1][0][1]
    return MemoryFigure(
        num_rows=num_rows,
        encode_seconds=encode_seconds,
        encode_megabytes=encode_megabytes,
        quarter_megabytes=quarter_megabytes,
        slots_megabytes=slots_megabytes,
        start_seconds=median(start for starts, _ in told for start in starts[1:]),
        cached_rows_per_second=rates["rows"],
        from_disk_rows_per_second=rates["blocks"],
    )


def _encoded(folder: Path, num_rows: int) -> tuple[float, float]:
    """(megabytes, seconds) of encoding a table that was just written."""
    definition = write_table(folder / f"{num_rows}.parquet", num_rows)
    megabytes, told = run((_encode, definition, folder, num_rows))
    return megabytes, told[0]


def _dataset_folder(folder: Path, num_rows: int) -> Path:
    (encoded,) = (folder / f"cache_{num_rows}").glob("[!.]*")
    return encoded


def _encode(definition: DataDefinition, folder: Path, num_rows: int) -> float:
    began = time.perf_counter()
    prepare(definition, folder, folder / f"cache_{num_rows}", lambda _: None)
    return time.perf_counter() - began


def _note_step(steps: list[float]) -> bool:
    """Asked before every step whether to stop: the time is noted, and it goes on."""
    steps.append(time.perf_counter())
    return False


def settings(shuffle: Shuffle) -> dict[str, Any]:
    """Of a training, beside its epochs."""
    return {
        "train.evaluations_per_epoch": 1,
        "train.batch_size": BATCH,
        "train.embedding_optimiser": "lazy_adam",
        "train.shuffle": shuffle,
    }


def _train(
    dataset: Path, epochs: float, shuffle: Shuffle, trials: int
) -> tuple[list[float], float]:
    """Run jobs in one slot; return the time of each to its first step, and the last rate."""
    starts: list[float] = []
    messages: list[object] = []
    for seed in range(trials):
        began, steps = time.perf_counter(), list[float]()
        config = build_config("shared_bottom", {"train.epochs": epochs, **settings(shuffle)})
        train(
            TrainJob(dataset, config, seed, "macro_auc", "cpu"),
            messages.append,
            partial(_note_step, steps),
        )
        starts.append(steps[0] - began)
    (trained,) = [message for message in messages[-1:] if isinstance(message, TrainingResult)]
    return starts, trained.cost.rows_per_second


def _files(folder: Path) -> Iterator[Path]:
    return folder.glob("train.*.npy")


def _warm(folder: Path) -> None:
    """Read all, so that the system has it in memory."""
    for file in _files(folder):
        with file.open("rb") as stream:
            while stream.read(2**24):
                pass


def _forget(folder: Path) -> None:
    """Ask the system to drop what it has in memory."""
    for file in _files(folder):
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def table(figure: MemoryFigure) -> str:
    """The figure as text, a line each."""
    rate = figure.from_disk_rows_per_second / figure.cached_rows_per_second
    growth = (figure.encode_megabytes - figure.quarter_megabytes) * MEGABYTE
    lines = [
        (f"encode {figure.num_rows:,} rows, s", f"{figure.encode_seconds:.1f}"),
        (
            "private memory of encoding, MB (of a quarter of the rows)",
            f"{figure.encode_megabytes:,.0f} ({figure.quarter_megabytes:,.0f})",
        ),
        ("the same, bytes a row", f"{growth / (0.75 * figure.num_rows):.1f}"),
        (f"private memory of {SLOTS} slots that train, MB", f"{figure.slots_megabytes:,.0f}"),
        ("start of a second trial in a slot, ms", f"{1000 * figure.start_seconds:.0f}"),
        ("rows/s from the disk in blocks, of those from memory in random order", f"{rate:.0%}"),
    ]
    return aligned(lines)
