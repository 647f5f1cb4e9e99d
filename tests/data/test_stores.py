"""Tables in stores: what is copied, and what is refused; the store is a server on this machine."""

import os
import socket
import warnings
from pathlib import Path

import polars as pl
import pytest
from pydantic import ValidationError

from hinet_search.common.errors import ConfigurationError, DataError, EnvironmentFault
from hinet_search.data import stores
from hinet_search.data.fingerprint import FileHasher, NotFetched
from hinet_search.data.sources.table import Options, identity, load
from hinet_search.data.stores import FOLDER, STORES, local_path
from tests.object_store import SECRET

ROWS = "s3://bucket/rows"
FILES = ("t.csv", "t.csv.gz", "t.tsv", "semicolons.csv", "t.jsonl", "t.arrow", "t.parquet")
DAYS = ("2026-05-03", "2026-05-04")


@pytest.fixture
def days(bucket: Path) -> Path:
    """A store with a table of two days, and what Spark leaves beside them."""
    for number, day in enumerate(DAYS):
        folder = bucket / "rows" / f"day={day}"
        (folder / "_temporary").mkdir(parents=True)
        pl.DataFrame({"x": [number]}).write_parquet(folder / "part-0.parquet")
        pl.DataFrame({"x": [9]}).write_parquet(folder / "_temporary" / "part-9.parquet")
    return bucket / "rows"


def identity_of(url: str, cache: Path, said: list[str] | None = None) -> str:
    say = print if said is None else said.append
    return identity(Options(path=url), cache, FileHasher(cache, say))


def rows_of(url: str, cache: Path) -> pl.DataFrame:
    return load(Options(path=url), cache, cache).collect()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("rows", [0, 1]),
        ("rows/", [0, 1]),
        ("rows/*/*.parquet", [0, 1]),
        ("rows/**/*.parquet", [0, 1]),
        ("rows/day=2026-05-04", [1]),
        ("rows/day=2026-05-04/part-0.parquet", [1]),
    ],
)
@pytest.mark.usefixtures("days")
def test_a_file_a_folder_and_a_glob_are_read_without_what_writers_leave(
    path: str, expected: list[int], tmp_path: Path
) -> None:
    assert rows_of(f"s3://bucket/{path}", tmp_path)["x"].to_list() == expected


@pytest.mark.usefixtures("days")
def test_folders_of_a_store_are_columns(tmp_path: Path) -> None:
    assert rows_of(ROWS, tmp_path)["day"].cast(pl.String).to_list() == list(DAYS)


@pytest.mark.parametrize("name", FILES)
def test_the_rows_of_every_format_are_those_of_the_local_file(
    name: str, bucket: Path, tmp_path: Path
) -> None:
    frame = pl.DataFrame(
        {"x": [1, 2, None], "word": ["a", "NA", None], "day": ["2026-05-03", "2026-05-04", None]}
    )
    file = bucket / name
    if name == "t.jsonl":
        frame.write_ndjson(file)
    elif name == "t.arrow":
        frame.write_ipc(file)
    elif name == "t.parquet":
        frame.write_parquet(file)
    elif name == "t.csv.gz":
        frame.write_csv(file, compression="gzip")
    elif name == "semicolons.csv":
        frame.with_columns(x=pl.col("x") / 2).write_csv(file, separator=";", decimal_comma=True)
    else:
        frame.write_csv(file, separator="\t" if name == "t.tsv" else ",")
    expected = load(Options(path=str(file)), tmp_path, tmp_path).collect()
    assert rows_of(f"s3://bucket/{name}", tmp_path).equals(expected)


def test_a_join_is_copied_too(days: Path, tmp_path: Path) -> None:
    (days.parent / "names.csv").write_text("x,name\n0,zero\n1,one\n")
    join = {"path": "s3://bucket/names.csv", "on": "x"}
    options = Options.model_validate({"path": ROWS, "join": [join]})
    identity(options, tmp_path, FileHasher(tmp_path, print))
    assert load(options, tmp_path, tmp_path).collect()["name"].to_list() == ["zero", "one"]


def test_rows_are_copied_once_and_the_copy_is_named(days: Path, tmp_path: Path) -> None:
    said: list[str] = []
    before = identity_of(ROWS, tmp_path, said)
    assert said[0] == f"copying {ROWS}"
    assert said[1].startswith("copied 2 rows to ")
    pl.DataFrame({"x": [7]}).write_parquet(days / "day=2026-05-04" / "part-0.parquet")
    assert identity_of(ROWS, tmp_path, said) == before
    assert said[2].startswith(f"reading the copy of {ROWS} in {tmp_path / FOLDER}")
    assert said[2].endswith("; remove it to copy the rows anew")


def test_the_same_rows_in_other_files_are_the_same_data(days: Path, tmp_path: Path) -> None:
    before = identity_of(ROWS, tmp_path / "one")
    for file in days.glob("day=*/part-0.parquet"):
        pl.read_parquet(file).write_parquet(file, compression="gzip")
    assert identity_of(ROWS, tmp_path / "two") == before
    pl.DataFrame({"x": [7]}).write_parquet(days / "day=2026-05-04" / "part-0.parquet")
    assert identity_of(ROWS, tmp_path / "three") != before


@pytest.mark.usefixtures("days")
def test_nothing_is_copied_where_nothing_may_be_fetched(tmp_path: Path) -> None:
    contents = FileHasher(tmp_path, print, may_fetch=False)
    with pytest.raises(NotFetched, match="was not copied yet"):
        identity(Options(path=ROWS), tmp_path, contents)
    before = identity_of(ROWS, tmp_path)
    assert identity(Options(path=ROWS), tmp_path, contents) == before


@pytest.mark.parametrize("path", ["none", "none.parquet", "none.csv", "rows/none-*.parquet"])
@pytest.mark.usefixtures("days")
def test_a_url_without_a_table_is_refused_and_nothing_is_kept(path: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data.source.path: s3://.* but there is none: "):
        identity_of(f"s3://bucket/{path}", tmp_path)
    assert not list((tmp_path / FOLDER).iterdir())


def test_a_store_that_does_not_answer_is_told_without_its_keys(
    bucket: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "PATIENCE", {"max_retries": 0, "timeout": "1s"})
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(EnvironmentFault, match=r"cannot be copied: .*timed out") as caught:
            identity_of(ROWS, tmp_path)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_server_of_the_web_that_does_not_answer_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/rows.csv"
        with pytest.raises(EnvironmentFault, match="cannot be copied: timed out"):
            identity_of(url, tmp_path)


@pytest.mark.parametrize("url", ["s3://bucket/rows", "gs://bucket/rows", "az://bucket/rows"])
def test_a_store_that_cannot_be_reached_is_told_in_its_words(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "PATIENCE", {"max_retries": 0, "timeout": "1s"})
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    with warnings.catch_warnings(action="ignore"), pytest.raises(EnvironmentFault) as caught:
        identity_of(url, tmp_path)
    assert caught.value.problems[0].startswith(f"data.source.path: {url}: cannot be copied: ")


def test_a_file_of_the_web_is_downloaded(bucket: Path, tmp_path: Path) -> None:
    pl.DataFrame({"x": [1, 2]}).write_csv(bucket / "t.csv.gz", compression="gzip")
    url = f"{os.environ['AWS_ENDPOINT_URL']}/bucket/t.csv.gz"
    assert rows_of(url, tmp_path)["x"].to_list() == [1, 2]


def test_the_url_of_a_file_of_this_machine_is_its_path(tmp_path: Path) -> None:
    (tmp_path / "a b.csv").write_text("x\n1\n")
    url = f"file://{tmp_path}/a%20b.csv"
    assert rows_of(url, tmp_path)["x"].to_list() == [1]
    assert identity_of(url, tmp_path) == identity_of(str(tmp_path / "a b.csv"), tmp_path)


@pytest.mark.parametrize(
    "url",
    [
        "s3://KEY:s3cret@bucket/rows",
        "s3://KEY:s3/cret@bucket/rows",
        "s3://s3cret@bucket/rows",
        "abfs://container:s3cret@account/rows",
        "https://host/rows.parquet?X-Amz-Signature=s3cret",
        "https://host/rows.parquet?sv=2026&sig=s3cret",
    ],
)
def test_a_url_with_credentials_is_refused_and_not_repeated(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="without user, key and signature") as raised:
        local_path(url, "TABLE", tmp_path, print)
    with pytest.raises(ValidationError) as invalid:
        Options(path=url)
    assert "cret" not in f"{raised.value} {invalid.value}"


@pytest.mark.parametrize(
    "url",
    [
        "s3://bucket/a@b/rows-?.parquet",
        "hf://datasets/shop/rows/*.parquet",
        "abfs://container@account.dfs.core.windows.net/rows",
        "http://[::1]:1/rows.parquet",
        "http://[2001:db8::7]/rows.parquet",
        "rows?sig=1",
        "rows::1.parquet",
    ],
)
def test_a_url_without_credentials_is_taken(url: str) -> None:
    assert Options(path=url).path == url


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("abfsss://bucket/rows", "did you mean 'abfss'"),
        ("file://rows.csv", "file:// with an absolute path"),
        ("hdfs://x/rows", "must be a path, or a URL of a store"),
        ("sqlite:///shop.db", "store or database, write the rows as Parquet"),
    ],
)
def test_a_url_that_is_of_no_store_is_refused(url: str, problem: str, tmp_path: Path) -> None:
    assert url.partition("://")[0] not in STORES or url.startswith("file")
    with pytest.raises(ValidationError, match=problem):
        Options(path=url)
    with pytest.raises(ConfigurationError, match=problem):
        local_path(url, "TABLE", tmp_path, print)
