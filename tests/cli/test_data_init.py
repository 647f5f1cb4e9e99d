"""From a table without a definition to its report in three commands."""

import gzip
import re
from pathlib import Path

import polars as pl
import polars.selectors as cs
import pytest

from tests.cli.conftest import Run
from tests.data.odd_tables import write_odd_table


@pytest.mark.slow
def test_an_odd_table_is_three_commands_from_its_report(run: Run, tmp_path: Path) -> None:
    write_odd_table(tmp_path, rows=2000)
    begun = run("data", "init", "odd rows.parquet")
    assert begun.code == 0, begun.err
    assert begun.out == "wrote data/odd_rows.yaml\nwrote studies/odd_rows.yaml\n"
    assert begun.err.splitlines()[-1] == "Next: hinet-search check studies/odd_rows.yaml"
    silenced = "where a guess is right, remove its comment `# check: ...`"
    assert begun.err.splitlines()[-2].strip() == silenced
    checked = run("check", "studies/odd_rows.yaml")
    assert checked.code == 0, checked.err
    assert "3 scenarios x 2 tasks" in checked.out
    assert checked.out.count("!!  data/odd_rows.yaml:") == 3
    assert f"{silenced}\n" in checked.out
    study = tmp_path / "studies" / "odd_rows.yaml"
    for arm in ("mmoe", "ple", "flat_moe", "single"):  # the others show as much
        study.write_text(re.sub(rf"^  {arm}:.*\n", "", study.read_text(), flags=re.MULTILINE))
    launched = run("launch", "studies/odd_rows.yaml", "--trials", "1")
    assert launched.code == 0, launched.err
    assert "Next: hinet-search launch studies/odd_rows.yaml --size full\n" in launched.err
    page = (tmp_path / "reports" / "odd_rows-quick.html").read_text()
    assert "推送" in page
    assert "home page" in page
    again = run("report", "studies/odd_rows.yaml")
    assert again.code == 0, again.err


def test_a_table_of_an_object_store_is_drafted_and_then_checked_from_its_copy(
    bucket: Path, run: Run, tmp_path: Path
) -> None:
    table = write_odd_table(tmp_path, rows=4000)
    (bucket / "shown").mkdir()
    table.rename(bucket / "shown" / "part-0.parquet")
    begun = run("data", "init", "s3://bucket/shown")
    assert begun.code == 0, begun.err
    assert "copying s3://bucket/shown" in begun.err
    assert 'path: "s3://bucket/shown"' in (tmp_path / "data" / "shown.yaml").read_text()
    checked = run("check", "studies/shown.yaml")
    assert checked.code == 0, checked.err
    assert "copying" not in checked.err


def test_a_key_in_the_url_of_a_table_is_refused_and_not_printed(run: Run) -> None:
    said = run("--debug", "data", "init", "s3://KEY:s3cret@bucket/shown")
    assert said.code == 2
    assert "TABLE: must be a URL without user, key and signature" in said.err
    assert "s3cret" not in said.err + said.out


def test_a_table_without_labels_is_refused_with_what_to_do(run: Run, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b\n" + 60 * "1.5,2.5\n")
    said = run("data", "init", "rows.csv")
    assert said.code == 3
    assert "rows.csv: a column of 0 and 1 (a label) is needed" in said.err
    assert said.err.splitlines()[-1] == "Next: hinet-search data init --help"


@pytest.mark.parametrize(
    ("table", "remedy"),
    [
        (
            "none.parquet",
            "set HINET_SEARCH_DATA to the folder that holds it, or write an absolute path",
        ),
        ("/none.parquet", "write the path of a table, or a glob such as"),
        ("exports", "the folder holds no table (Parquet, CSV, "),
    ],
)
def test_a_missing_table_is_reported_as_it_was_typed(
    run: Run, tmp_path: Path, table: str, remedy: str
) -> None:
    (tmp_path / "exports").mkdir()
    said = run("data", "init", table)
    assert said.code == 3
    assert said.err.startswith(
        f"error: TABLE: '{table}' must be a file, a folder or a glob of files"
    )
    assert said.err.splitlines()[1].startswith(remedy)


def test_a_task_that_is_named_is_one_of_the_written_definition(run: Run, tmp_path: Path) -> None:
    write_odd_table(tmp_path, rows=4000)
    begun = run(
        "data", "init", "odd rows.parquet", "--task", "is clicked", "--task", "dwell seconds"
    )
    assert begun.code == 0, begun.err
    written = (tmp_path / "data" / "odd_rows.yaml").read_text(encoding="utf-8")
    assert 'dwell_seconds: {column: "dwell seconds", kind: amount}' in written
    checked = run("check", "studies/odd_rows.yaml")
    assert checked.code == 0, checked.err
    assert "mean in training: dwell_seconds " in checked.out


def test_a_task_without_a_column_is_refused(run: Run, tmp_path: Path) -> None:
    write_odd_table(tmp_path, rows=4000)
    said = run("data", "init", "odd rows.parquet", "--task", "is_clicked")
    assert said.code == 3
    assert "--task: no column 'is_clicked'; did you mean 'is clicked'?" in said.err


def test_a_weight_that_is_named_is_that_of_the_written_definition_and_no_feature(
    run: Run, tmp_path: Path
) -> None:
    table = write_odd_table(tmp_path, rows=4000)
    frame = pl.read_parquet(table)
    frame.with_columns(pl.col("dwell seconds").fill_null(0) + 1).write_parquet(table)
    begun = run("data", "init", table.name, "--weight", "dwell seconds")
    assert begun.code == 0, begun.err
    written = (tmp_path / "data" / "odd_rows.yaml").read_text(encoding="utf-8")
    assert 'weight: "dwell seconds"   # given\n' in written
    assert written.count("dwell seconds") == 1
    checked = run("check", "studies/odd_rows.yaml")
    assert checked.code == 0, checked.err
    assert "'dwell seconds': " in checked.out


def test_a_weight_that_is_a_task_too_is_refused_before_anything_is_written(
    run: Run, tmp_path: Path
) -> None:
    write_odd_table(tmp_path, rows=4000)
    said = run(
        "data", "init", "odd rows.parquet", "--task", "dwell seconds", "--weight", "dwell seconds"
    )
    assert said.code == 3
    assert "--weight: must be a column of its own, got 'dwell seconds', as --task is" in said.err
    assert not (tmp_path / "data").exists()


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


def test_a_rare_label_is_told_with_the_difference_that_no_seeds_show(
    run: Run, tmp_path: Path
) -> None:
    rows = range(4000)
    frame = pl.DataFrame(
        {
            "place": [f"shop {row % 2}" for row in rows],
            "click": [int(row % 50 < 2) for row in rows],
            "user_id": [row % 400 for row in rows],
        }
    )
    frame.write_csv(tmp_path / "rare.csv")
    assert run("data", "init", "rare.csv").code == 0
    text = (tmp_path / "data" / "rare.yaml").read_text()
    assert "160 rows with a 1, about 24 of them in test: no number of seeds shows" in text
    assert "a difference in AUC below about 0.04" in text
