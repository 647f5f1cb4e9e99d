"""Tables in folders: which files are read, columns of partitions, and what is refused."""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tables import definition, shop

from hinet_search.common.errors import DataError
from hinet_search.data.fingerprint import FileHasher
from hinet_search.data.formats.known_formats import IN_WORDS
from hinet_search.data.prepare import prepare
from hinet_search.data.sources.table import Options, identity, load, scan
from hinet_search.study.data_definition import DataDefinition, SourceDefinition


def write(path: Path, **columns: list[object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = pl.DataFrame(columns)
    frame.write_csv(path) if path.suffix == ".csv" else frame.write_parquet(path)


def read(path: str, folder: Path) -> pl.DataFrame:
    return load(Options(path=path), folder, folder).collect()


def identity_of(folder: Path, path: str = "rows") -> str:
    return identity(Options(path=path), folder, FileHasher(folder, print))


@pytest.fixture
def days(tmp_path: Path) -> Path:
    """A folder with a file of each of two days, and what Spark leaves beside them."""
    for day, value in (("2026-05-03", 1), ("2026-05-04", 2)):
        write(tmp_path / "rows" / f"day={day}" / "part-0.parquet", x=[value])
        (tmp_path / "rows" / f"day={day}" / ".part-0.parquet.crc").write_text("crc")
    (tmp_path / "rows" / "_SUCCESS").touch()
    (tmp_path / "rows" / "_metadata").write_text("old")
    write(tmp_path / "rows" / "_temporary" / "0" / "part-9.parquet", x=[9])
    write(tmp_path / "rows" / ".ipynb_checkpoints" / "part-0.parquet", x=[9])
    return tmp_path


@pytest.mark.parametrize("path", ["rows", "rows/", "rows/**/*.parquet", "rows/*/*.parquet"])
def test_a_folder_is_read_without_what_its_writer_left_beside_the_data(
    path: str, days: Path
) -> None:
    assert read(path, days)["x"].to_list() == [1, 2]


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_partitions_are_columns_of_whole_numbers_dates_or_texts(
    suffix: str, tmp_path: Path
) -> None:
    for hour, city in ((9, "a%2Fb"), (10, "7 b")):
        folder = tmp_path / "rows" / "day=2026-05-03" / f"hour={hour}" / f"city={city}"
        write(folder / f"part-0.{suffix}", x=[hour])
    day = date(2026, 5, 3)
    assert read("rows", tmp_path).rows() == [(10, day, 10, "7 b"), (9, day, 9, "a/b")]


@pytest.mark.parametrize(
    ("hours", "values"),
    [(["٣"], ["٣"]), (["7", "__HIVE_DEFAULT_PARTITION__"], [7, None])],
    ids=["other digits are text", "one without a value is missing"],
)
def test_a_partition_is_read_like_a_value(hours: list[str], values: Any, tmp_path: Path) -> None:
    for hour in hours:
        write(tmp_path / "rows" / f"hour={hour}" / "a.parquet", x=[1])
    assert read("rows", tmp_path)["hour"].to_list() == values


def test_a_column_of_the_files_takes_precedence_over_the_name_of_their_folder(
    tmp_path: Path,
) -> None:
    write(tmp_path / "rows" / "hour=7" / "a.parquet", x=[1], hour=["seven"])
    assert read("rows", tmp_path)["hour"].to_list() == ["seven"]


def test_folders_above_the_table_are_no_partitions(tmp_path: Path) -> None:
    write(tmp_path / "user=ann" / "rows" / "a.parquet", x=[1])
    assert read("rows", tmp_path / "user=ann").columns == ["x"]


def test_partitions_have_the_types_of_training_when_new_rows_are_scored(days: Path) -> None:
    lazy = scan("rows", days, days / "cache", "rows", {"day": pl.String()})
    assert lazy.collect()["day"].to_list() == ["2026-05-03", "2026-05-04"]


def test_partitions_that_are_not_of_their_type_in_training_stay_texts(tmp_path: Path) -> None:
    for hour in ("9", "noon"):
        write(tmp_path / "rows" / f"hour={hour}" / "a.parquet", x=[1])
    lazy = scan("rows", tmp_path, tmp_path / "cache", "rows", {"hour": pl.Int64()})
    assert lazy.collect()["hour"].to_list() == ["9", "noon"]


@pytest.mark.parametrize("names", ["ab", "ba"])
@pytest.mark.parametrize("root", ["rows", "rows/day=1"])
def test_the_index_of_pandas_is_no_column(root: str, names: str, tmp_path: Path) -> None:
    with_index, without = (tmp_path / root / f"{name}.parquet" for name in names)
    write(with_index, x=[1], __index_level_0__=[5])
    write(without, x=[2])
    table = read("rows", tmp_path).drop("day", strict=False)
    assert table.sort("x").to_dict(as_series=False) == {"x": [1, 2]}


def test_a_file_that_is_added_removed_changed_or_moved_changes_the_identity(days: Path) -> None:
    seen = [identity_of(days)]
    write(days / "rows" / "day=2026-05-05" / "part-0.parquet", x=[3])
    seen.append(identity_of(days))
    write(days / "rows" / "day=2026-05-05" / "part-0.parquet", x=[4])
    seen.append(identity_of(days))
    (days / "rows" / "day=2026-05-05").rename(days / "rows" / "day=2026-05-06")
    seen.append(identity_of(days))
    (days / "rows" / "day=2026-05-03" / "part-0.parquet").unlink()
    seen.append(identity_of(days))
    assert len(set(seen)) == len(seen)


def test_what_a_writer_leaves_beside_the_data_does_not_change_the_identity(days: Path) -> None:
    before = identity_of(days)
    (days / "rows" / "_SUCCESS").write_text("again")
    assert identity_of(days) == before


def test_the_same_folder_elsewhere_has_the_same_identity(days: Path, tmp_path: Path) -> None:
    before = identity_of(days)
    (days / "rows").rename(days / "others")
    assert identity_of(days, "others") == before


def refused(path: str, folder: Path) -> DataError:
    with pytest.raises(DataError) as caught:
        read(path, folder)
    return caught.value


def test_a_folder_without_tables_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "_SUCCESS").touch()
    error = refused("rows", tmp_path)
    assert "must be a file, a folder or a glob of files, found none" in error.problems[0]
    assert error.remedy == f"the folder holds no table ({IN_WORDS}): name the folder of the tables"


def test_a_folder_that_holds_other_files_is_refused(days: Path) -> None:
    (days / "rows" / "notes.txt").touch()
    error = refused("rows", days)
    assert error.problems == (
        f"data.source.path: a folder must hold tables ({IN_WORDS}), got {days}/rows/notes.txt",
    )
    assert error.remedy.startswith("move it away, or write a glob of the tables")


def test_a_folder_of_parquet_and_csv_files_is_refused(days: Path) -> None:
    write(days / "rows" / "day=2026-05-04" / "part-1.csv", x=[1])
    error = refused("rows", days)
    assert error.problems == (
        f"rows: files must all be of one format ({IN_WORDS}), got CSV, Parquet",
    )
    assert error.remedy == "write a glob of one kind, such as 'rows/**/*.parquet'"


@pytest.mark.parametrize(
    ("file", "value", "problem"),
    [
        ("day=2026-05-04/part-0.parquet", 0.5, "but 'x' is Float64 in place of Int64"),
        ("part-0.parquet", 3, "has no 'day'"),
    ],
    ids=["another type", "another key"],
)
def test_files_of_a_folder_must_have_the_same_columns(
    file: str, value: float, problem: str, days: Path
) -> None:
    write(days / "rows" / file, x=[value])
    must = f"{days}/rows/{file}: must have the columns of day=2026-05-03/part-0.parquet"
    assert refused("rows", days).problems == (f"{must}, {problem}",)


@pytest.mark.parametrize(("folder", "kind"), [("_delta_log", "Delta"), (".hoodie", "Hudi")])
def test_a_table_that_keeps_old_versions_is_refused(folder: str, kind: str, days: Path) -> None:
    (days / "rows" / folder).mkdir()
    error = refused("rows", days)
    assert f"is a {kind} table, whose folder also holds files of older versions" in str(error)
    assert error.remedy == "write the rows of one version into a folder of Parquet files"


def test_a_link_to_a_folder_around_it_is_refused(days: Path) -> None:
    (days / "rows" / "again").symlink_to(days / "rows")
    assert "again is a link to a folder that holds it" in str(refused("rows", days))


def test_a_key_that_is_reserved_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "rows" / "hinet-search: x=1" / "a.parquet", x=[1])
    assert "names of columns must not begin with" in str(refused("rows", tmp_path))


@pytest.fixture
def partitioned(tmp_path: Path) -> DataDefinition:
    """The shop, its rows in two folders."""
    frame = shop()
    half = len(frame) // 2
    for part, rows in enumerate((frame.head(half), frame.tail(-half))):
        (tmp_path / "shop" / f"part={part}").mkdir(parents=True)
        rows.write_parquet(tmp_path / "shop" / f"part={part}" / "0.parquet")
    source = SourceDefinition.model_validate({"kind": "table", "path": "shop"})
    return definition().model_copy(update={"source": source})


def test_a_folder_is_encoded_like_one_file_of_its_rows(
    partitioned: DataDefinition, tmp_path: Path
) -> None:
    shop().write_parquet(tmp_path / "shop.parquet")
    of_folder = prepare(partitioned, tmp_path, tmp_path / "cache", lambda _: None)
    of_file = prepare(definition(), tmp_path, tmp_path / "cache", lambda _: None)
    assert of_folder.fingerprint != of_file.fingerprint
    assert (of_folder.train.ids_RF == of_file.train.ids_RF).all()
    assert (of_folder.test.labels_RT == of_file.test.labels_RT).all()
