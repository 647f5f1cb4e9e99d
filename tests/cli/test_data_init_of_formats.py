"""`data init` of files in formats of other tools."""

import gzip
from pathlib import Path

import polars as pl
import polars.selectors as cs
import pytest

from tests.cli.conftest import Run
from tests.data.odd_tables import write_odd_table


@pytest.fixture
def rows(tmp_path: Path) -> pl.DataFrame:
    """Rows without columns that texts have no type for."""
    path = write_odd_table(tmp_path, rows=2000)
    frame = pl.read_parquet(path)
    return frame.select(cs.integer() | cs.float() | cs.string())


@pytest.mark.parametrize("name", ["rows.jsonl.gz", "rows.csv.gz", "rows.arrow"])
def test_a_table_of_another_format_is_drafted_and_described(
    name: str, rows: pl.DataFrame, run: Run, tmp_path: Path
) -> None:
    if name == "rows.arrow":
        rows.write_ipc(tmp_path / name)
    else:
        text = rows.write_csv() if "csv" in name else rows.write_ndjson()
        (tmp_path / name).write_bytes(gzip.compress(text.encode()))
    begun = run("data", "init", name)
    assert begun.code == 0, begun.err
    assert begun.out == "wrote data/rows.yaml\nwrote studies/rows.yaml\n"
    described = run("data", "describe", "studies/rows.yaml")
    assert described.code == 0, described.err
    assert "1,994 rows" in described.out  # 6 are of rare scenarios
