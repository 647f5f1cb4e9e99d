"""The size of a night's delta for a model of large id tables, of which few ids are touched.

cd benchmarks && ../.venv/bin/python bench_deltas.py --ids 1000000 --touched 10000
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
import torch
from safetensors.torch import save_file

from hinet_search.serving.nightly.delta import apply_delta, write_delta
from hinet_search.serving.sealed import manifest_hash, seal

WIDTH = 16
DENSE = {"experts": torch.randn(8, 256, 64), "towers": torch.randn(6, 64, 32)}
DAY = 20_000


def folder_of(at: Path, table: pl.DataFrame, vectors: torch.Tensor) -> Path:
    """A folder with the files of an export that grow with its ids."""
    (at / "encoding").mkdir(parents=True)
    (at / "card.md").write_text("# Made up\n")
    table.write_parquet(at / "encoding" / "vocabulary.0.parquet")
    dense = {name: tensor + torch.randn_like(tensor) for name, tensor in DENSE.items()}
    save_file({"table": vectors, **dense}, at / "weights.safetensors")
    seal(at)
    return at


def before_and_after(folder: Path, num_ids: int, touched: int) -> tuple[Path, Path]:
    """A model, and what a night makes of it: touched ids have rows, learn, and a tenth are new."""
    draw = np.random.default_rng(0)
    count = np.sort(draw.zipf(1.5, num_ids).clip(1, 10**6))[::-1].astype(np.uint32)
    day = draw.integers(DAY - 30, DAY, num_ids).astype(np.int32)
    table = pl.DataFrame({"value": draw.permutation(2 * num_ids)[:num_ids], "count": count})
    table = table.sort("count", "value", descending=[True, False])
    table = table.with_columns(pl.Series("last day", day))
    vectors = torch.randn(num_ids + 1, WIDTH)
    chosen = draw.choice(num_ids, touched, replace=False)
    is_touched = np.isin(np.arange(num_ids), chosen)
    seen = table.with_columns(
        pl.col("count") + pl.Series(is_touched * draw.integers(1, 9, num_ids)).cast(pl.UInt32),
        pl.when(pl.Series(is_touched))
        .then(DAY)
        .otherwise("last day")
        .cast(pl.Int32)
        .alias("last day"),
    )
    new = seen.head(touched // 10).with_columns(
        (pl.int_range(pl.len()) + 3 * num_ids).alias("value"),
        pl.lit(1, dtype=pl.UInt32).alias("count"),
    )
    both = pl.concat([seen, new])
    order = both.with_row_index().sort("count", "value", descending=[True, False])["index"]
    learned = vectors[1:] + 0.01 * torch.from_numpy(is_touched[:, np.newaxis]) * vectors[1:]
    rows = torch.cat([learned, torch.randn(len(new), WIDTH)])[order.to_numpy().astype(np.int64)]
    after = folder_of(folder / "after", both[order], torch.cat([vectors[:1], rows]))
    return folder_of(folder / "before", table, vectors), after


def main() -> None:
    """Print the bytes of both folders' files and of the delta, and check what it makes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ids", type=int, default=1_000_000)
    parser.add_argument("--touched", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        before, after = before_and_after(folder, options.ids, options.touched)
        started = time.process_time()
        write_delta(before, after, folder / "night.delta")
        written = time.process_time()
        apply_delta(before, folder / "night.delta", folder / "made")
        applied = time.process_time()
        assert manifest_hash(folder / "made") == manifest_hash(after)
        whole = sum(path.stat().st_size for path in after.rglob("*") if path.is_file())
        size = (folder / "night.delta").stat().st_size
    print(
        f"{options.ids:,} ids, {options.touched:,} touched: whole {whole:,} bytes, delta {size:,} "
        f"({size / whole:.1%}); written in {written - started:.1f} CPU s, applied in "
        f"{applied - written:.1f}"
    )


if __name__ == "__main__":
    main()
