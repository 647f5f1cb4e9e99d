"""The table source: where files are found, and what identifies their content."""

import os
from pathlib import Path

import polars as pl
import pytest
from tables import definition, shop

from hinet_search.common.errors import DataError
from hinet_search.data import rows
from hinet_search.data.fingerprint import FileHasher
from hinet_search.data.sources.table import Options, identity, load
from hinet_search.data.table_files import DATA_FOLDER


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, empty, with no data folder set."""
    here = tmp_path / "elsewhere" / "here"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    monkeypatch.delenv(DATA_FOLDER, raising=False)
    return here


def rows_of(path: str, folder: Path) -> list[int]:
    return load(Options(path=path), folder, folder).collect()["x"].to_list()


def save(folder: Path, name: str, values: list[int]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    frame = pl.DataFrame({"x": values})
    frame.write_csv(folder / name) if name.endswith("csv") else frame.write_parquet(folder / name)


@pytest.mark.parametrize("name", ["t.parquet", "t.csv"])
def test_a_file_is_looked_up_beside_the_study_then_here_then_in_the_data_folder(
    name: str, elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "named", name, [3])
    monkeypatch.setenv(DATA_FOLDER, str(tmp_path / "named"))
    assert rows_of(name, tmp_path / "study") == [3]
    save(elsewhere, name, [2])
    assert rows_of(name, tmp_path / "study") == [2]
    save(tmp_path / "study", name, [1])
    assert rows_of(name, tmp_path / "study") == [1]


def test_a_missing_file_names_every_place_tried_and_the_remedy(
    elsewhere: Path, tmp_path: Path
) -> None:
    with pytest.raises(DataError) as caught:
        rows_of("none.parquet", tmp_path / "study")
    text = str(caught.value)
    places = (tmp_path / "study", elsewhere)
    assert all(str(place / "none.parquet") in text for place in places)
    assert DATA_FOLDER in caught.value.remedy
    assert caught.value.exit_code == 3


def test_files_of_a_glob_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name, value in (("b.parquet", 2), ("a.parquet", 1), ("c.parquet", 3)):
        save(tmp_path / "parts", name, [value])
    assert rows_of("parts/*.parquet", tmp_path) == [1, 2, 3]
    assert rows_of(f"{tmp_path}/parts/*.parquet", Path("/nowhere")) == [1, 2, 3]


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("t.xlsx", "CSV UTF-8"), ("t.XLS", "CSV UTF-8"), ("t.txt", "a glob of one kind")],
)
def test_a_file_of_another_kind_is_refused_and_a_workbook_is_to_be_saved_as_csv(
    name: str, remedy: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text("x")
    suffix = Path(name).suffix.lower()
    with pytest.raises(DataError, match=rf"be of one format \(.*\), got \{suffix}") as caught:
        rows_of(name, tmp_path)
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    "path", [".", "a**b[", "[", "**", "x" * 5000, "*" + "x" * 5000, "a/" * 2500, "\0", "~"]
)
def test_a_path_that_means_no_file_is_a_data_error(path: str, elsewhere: Path) -> None:
    with pytest.raises(
        DataError, match="must be a file, a folder or a glob of files, found none"
    ) as caught:
        rows_of(path, elsewhere)
    assert len(str(caught.value)) < 2000


def test_what_is_no_regular_file_is_not_read(elsewhere: Path) -> None:
    os.mkfifo(elsewhere / "pipe.parquet")
    for path in ("/dev/zero", "pipe.parquet"):
        with pytest.raises(DataError) as caught:
            rows_of(path, elsewhere)
        assert caught.value.remedy == "it is a device, a pipe or a socket: write its rows to a file"


@pytest.mark.parametrize(
    ("other", "problem"),
    [
        ({"x": [1]}, "has no 'y'"),
        ({"x": [1], "y": [1], "z": [1]}, "has 'z' too"),
        ({"x": [1], "y": ["a"]}, "but 'y' is String in place of Int64"),
    ],
)
def test_files_of_a_glob_must_have_the_same_columns(
    other: dict[str, list[object]], problem: str, tmp_path: Path
) -> None:
    pl.DataFrame({"x": [1], "y": [1]}).write_parquet(tmp_path / "a.parquet")
    pl.DataFrame(other).write_parquet(tmp_path / "b.parquet")
    with pytest.raises(DataError) as caught:
        rows_of("*.parquet", tmp_path)
    assert caught.value.problems == (
        f"{tmp_path / 'b.parquet'}: must have the columns of a.parquet, {problem}",
    )


def test_parquet_files_may_have_their_columns_in_another_order(tmp_path: Path) -> None:
    pl.DataFrame({"x": [1], "y": [5]}).write_parquet(tmp_path / "a.parquet")
    pl.DataFrame({"y": [6], "x": [2]}).write_parquet(tmp_path / "b.parquet")
    assert rows_of("*.parquet", tmp_path) == [1, 2]


def test_csv_files_with_columns_in_another_order_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,5\n")
    (tmp_path / "b.csv").write_text("y,x\n6,2\n")
    with pytest.raises(
        DataError, match=r"b\.csv: must have the columns of a\.csv in the same order"
    ):
        rows_of("*.csv", tmp_path)


@pytest.mark.parametrize("rows", ["1,5,7\n", "1,5,\n"])
def test_a_csv_row_with_more_values_than_names_is_refused(rows: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,y\n2,6\n" + rows)
    with pytest.raises(DataError, match=r"t\.csv: every row must have at most as many values") as e:
        rows_of("t.csv", tmp_path)
    assert "quote texts that hold a comma" in e.value.remedy


def test_a_file_that_may_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rows.csv").write_text("a\n1\n")

    def refused(path: Path, *_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(
        DataError, match=r"data.source.path: .*rows.csv cannot be read: Permission denied"
    ):
        identity(Options(path="rows.csv"), tmp_path, FileHasher(tmp_path, print))


def test_rows_are_numbered_and_filtered_while_they_are_scanned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise Polars holds many more of them at once."""
    shop().write_parquet(tmp_path / "shop.parquet")
    plans: list[str] = []
    collect = rows.collect_to_mapped_file

    def recorded(query: pl.LazyFrame, cache: Path) -> pl.DataFrame:
        plans.append(query.explain())
        return collect(query, cache)

    monkeypatch.setattr(rows, "collect_to_mapped_file", recorded)
    rows.read_rows(definition(), tmp_path, tmp_path)
    assert f"ROW_INDEX: {rows.ROW_NUMBER}" in plans[0]
    assert "SELECTION:" in plans[0]
    assert "FILTER" not in plans[0]
