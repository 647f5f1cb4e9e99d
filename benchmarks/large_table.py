"""A table larger than memory allows to hold: encoded, and trained from disk in blocks.

    python large_table.py FOLDER --rows 100_000_000 --ids 20_000_000

writes 30 columns in files of a million rows (kept for the next run), encodes them, and trains
Shared Bottom on all rows in blocks and on a tenth of them from memory, each in a process of its own
whose anonymous memory is measured. Labels carry no signal. It leaves a study of all rows that finds
them encoded: `HINET_SEARCH_CACHE=FOLDER/cache_100000000 hinet-search check FOLDER/study.yaml`.
Shape legend: R rows.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bench_memory import _dataset_folder, _encode, _forget, _train, _warm, settings
from hinet_search.study.data_definition import DataDefinition
from in_processes import run
from layout import aligned

ROWS_OF_A_FILE = 1_000_000
SHARES_OF_IDS = (0.75, 0.2, 0.04)  # of all ids, those of the three largest fields
SMALL = tuple(int(size) for size in np.geomspace(10, 100_000, 17))
NUM_NUMBERS = 5


def write(folder: Path, num_rows: int, num_ids: int) -> DataDefinition:
    """Write the files that are missing; return the definition of the table."""
    folder.mkdir(parents=True, exist_ok=True)
    sizes = (*(max(10, int(share * num_ids)) for share in SHARES_OF_IDS), *SMALL)
    for first in range(0, num_rows, ROWS_OF_A_FILE):
        file = folder / f"part_{first:012}.parquet"
        if not file.exists():
            size = min(ROWS_OF_A_FILE, num_rows - first)
            _rows(first, size, sizes).write_parquet(file, compression="lz4")
    return DataDefinition.model_validate(
        {
            "source": {"kind": "table", "path": str(folder.resolve())},
            "scenario": {"column": "scenario"},
            "tasks": {task: {"column": task} for task in ("click", "order")},
            "features": {
                "categorical": [f"field_{number}" for number in range(len(sizes))],
                "numeric": [f"number_{number}" for number in range(NUM_NUMBERS)],
            },
            "split": {
                "by": "time",
                "valid_from": round(0.98 * num_rows),
                "test_from": round(0.99 * num_rows),
            },
            "user": "user",
            "time": "time",
        }
    )


def _rows(first: int, size: int, sizes: tuple[int, ...]) -> pl.DataFrame:
    generator = np.random.default_rng(first)

    def ids(num_ids: int) -> NDArray[np.int64]:
        """Id i with about 1 / i of the probability, so that most rows have frequent ones."""
        drawn: NDArray[np.float64] = num_ids ** generator.random(size)
        return drawn.astype(np.int64) * 7919  # as ids are: no numbers without gaps

    columns = {
        "scenario": generator.integers(6, size=size, dtype=np.int8),
        "user": generator.integers(max(sizes) // 4 + 1, size=size),
        "time": np.arange(first, first + size),
        **{f"field_{number}": ids(num_ids) for number, num_ids in enumerate(sizes)},
        **{
            f"number_{number}": generator.standard_normal(size, dtype=np.float32)
            for number in range(NUM_NUMBERS)
        },
        "click": generator.random(size) < 0.25,
        "order": generator.random(size) < 0.08,
    }
    return pl.DataFrame(columns).with_columns(pl.col("click", "order").cast(pl.Int8))


def write_study(file: Path, definition: DataDefinition, passes: float) -> None:
    """Write a study of one trial and one finalist that are trained as all rows are here."""
    study = {
        "data": definition.model_dump(mode="json", exclude_defaults=True),
        "arms": {"shared_bottom": None},
        "trials": 1,
        "passes": passes,
        "fixed": settings("blocks"),
        "finalists": {"top": 1, "seeds": 1, "default": False},
        "seed": 1,
        "slots": 1,
    }
    file.write_text(json.dumps(study, indent=1), encoding="utf-8")  # YAML too


def main() -> None:
    """Measure as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--ids", type=int, default=20_000_000)
    parser.add_argument("--passes", type=float, default=0.1)
    given = parser.parse_args()
    rates = {}
    lines = []
    for num_rows in (given.rows // 10, given.rows):
        definition = write(given.folder / f"{num_rows}", num_rows, given.ids)
        megabytes, (seconds,) = run((_encode, definition, given.folder, num_rows))
        lines += [
            (f"encode {num_rows:,} rows, s", f"{seconds:.0f}"),
            ("the same, MB", f"{megabytes:,.0f}"),
        ]
        print(aligned(lines[-2:]), flush=True)
        encoded = _dataset_folder(given.folder, num_rows)
        is_large = num_rows == given.rows
        _forget(encoded) if is_large else _warm(encoded)
        passes = given.passes if is_large else 10 * given.passes
        shuffle = "blocks" if is_large else "rows"
        megabytes, ((_, rates[num_rows]),) = run((_train, encoded, passes, shuffle, 1))
        lines += [
            (f"train on {num_rows:,} rows, rows/s", f"{rates[num_rows]:,.0f}"),
            ("the same, MB", f"{megabytes:,.0f}"),
        ]
        print(aligned(lines[-2:]), flush=True)
    write_study(given.folder / "study.yaml", definition, given.passes)
    small, large = rates.values()
    print(f"rows/s of all, of those from memory: {large / small:.0%}")


if __name__ == "__main__":
    main()
