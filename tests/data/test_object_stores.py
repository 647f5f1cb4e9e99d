"""Tables in object stores: what is copied, when it is copied again, and what is refused."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from fsspec.implementations.memory import MemoryFile, MemoryFileSystem
from fsspec.registry import known_implementations
from pydantic import ValidationError
from tables import definition, shop

from hinet_search.common.errors import ConfigurationError, DataError, EnvironmentFault
from hinet_search.data.fingerprint import FileHasher, NotFetched
from hinet_search.data.object_stores import copies, copy_news
from hinet_search.data.object_stores.address import STORES, without_short_address
from hinet_search.data.object_stores.copies import local_path
from hinet_search.data.prepare import prepare
from hinet_search.data.sources.table import Options, identity, load

ROWS = "memory://bucket/rows"
DAYS = ("2026-05-03", "2026-05-04")


def parquet(**columns: list[object]) -> bytes:
    buffer = io.BytesIO()
    pl.DataFrame(columns).write_parquet(buffer)
    return buffer.getvalue()


@pytest.fixture
def days(object_store: Any) -> Any:
    """A store with a table of two days, and what Spark leaves beside them."""
    for number, day in enumerate(DAYS):
        object_store.pipe(f"/bucket/rows/day={day}/part-0.parquet", parquet(x=[number]))
    object_store.pipe("/bucket/rows/_SUCCESS", b"")
    object_store.pipe("/bucket/rows/_temporary/part-9.parquet", parquet(x=[9]))
    return object_store


def identity_of(url: str, cache: Path, said: list[str] | None = None) -> str:
    say = print if said is None else said.append
    return identity(Options(path=url), cache, FileHasher(cache, say))


def values(url: str, cache: Path) -> list[int]:
    """The column x, as a command reads it."""
    identity_of(url, cache)
    return load(Options(path=url), cache, cache).collect()["x"].to_list()


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
def test_a_file_a_folder_and_a_glob_are_the_same_data_as_a_local_copy(
    path: str, expected: list[int], days: Any, tmp_path: Path
) -> None:
    days.get("/bucket/rows", str(tmp_path / "local" / "rows"), recursive=True)
    local = Options(path=str(tmp_path / "local" / path))
    contents = FileHasher(tmp_path, print)
    assert identity_of(f"memory://bucket/{path}", tmp_path) == identity(local, tmp_path, contents)
    assert values(f"memory://bucket/{path}", tmp_path) == expected


def test_folders_of_a_store_are_columns(days: Any, tmp_path: Path) -> None:
    identity_of(ROWS, tmp_path)
    frame = load(Options(path=ROWS), tmp_path, tmp_path).collect()
    assert frame["day"].cast(pl.String).to_list() == list(DAYS)


def test_a_table_in_a_store_is_encoded_to_the_data_of_the_local_table(
    object_store: Any, tmp_path: Path
) -> None:
    shop().write_parquet(tmp_path / "shop.parquet")
    object_store.put(str(tmp_path / "shop.parquet"), "/bucket/shop.parquet")
    local = prepare(definition(), tmp_path, tmp_path / "cache", print)
    source = {"kind": "table", "path": "memory://bucket/shop.parquet"}
    remote = prepare(definition(source=source), tmp_path, tmp_path / "cache", print)
    assert remote.fingerprint == local.fingerprint


def test_a_join_is_copied_too(days: Any, tmp_path: Path) -> None:
    days.pipe("/bucket/names.csv", b"x,name\n0,zero\n1,one\n")
    join = {"path": "memory://bucket/names.csv", "on": "x"}
    options = Options.model_validate({"path": ROWS, "join": [join]})
    identity(options, tmp_path, FileHasher(tmp_path, print))
    assert load(options, tmp_path, tmp_path).collect()["name"].to_list() == ["zero", "one"]


def test_only_objects_that_are_written_again_are_copied_again_and_are_other_data(
    days: Any, tmp_path: Path
) -> None:
    before = identity_of(ROWS, tmp_path)
    said: list[str] = []
    assert identity_of(ROWS, tmp_path, said) == before
    assert said == []
    days.pipe(f"/bucket/rows/day={DAYS[1]}/part-0.parquet", parquet(x=[7]))
    assert identity_of(ROWS, tmp_path, said) != before
    assert said[0].startswith("copying 1 object (")
    assert values(ROWS, tmp_path) == [0, 7]


def test_objects_that_are_added_and_removed_change_the_table(days: Any, tmp_path: Path) -> None:
    identity_of(ROWS, tmp_path)
    days.rm(f"/bucket/rows/day={DAYS[0]}", recursive=True)
    days.pipe("/bucket/rows/day=2026-05-05/part-0.parquet", parquet(x=[5]))
    assert values(ROWS, tmp_path) == [1, 5]


@contextmanager
def after_the_first_object(happens: Callable[[], None]) -> Iterator[None]:
    """Objects are copied one by one, and something happens when the first is copied."""
    copy, copied = MemoryFileSystem.get_file, []

    def get_file(store: MemoryFileSystem, path: str, *given: Any, **named: Any) -> None:
        if len(copied) == 1:
            happens()
        copied.append(path)
        copy(store, path, *given, **named)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(copies, "AT_ONCE", 1)
        patched.setattr(MemoryFileSystem, "get_file", get_file)
        yield


def is_copied(cache: Path) -> bool:
    """Whether the cache has a whole copy."""
    try:
        identity(Options(path=ROWS), cache, FileHasher(cache, print, may_fetch=False))
    except NotFetched:
        return False
    return True


def test_an_interrupted_copy_goes_on_where_it_ended(days: Any, tmp_path: Path) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with after_the_first_object(interrupt), pytest.raises(KeyboardInterrupt):
        identity_of(ROWS, tmp_path)
    assert not is_copied(tmp_path)
    said: list[str] = []
    identity_of(ROWS, tmp_path, said)
    assert said[0].startswith("copying 1 object (")
    assert values(ROWS, tmp_path) == [0, 1]


@pytest.mark.parametrize(
    "content", [None, parquet(x=[3]), b"shorter"], ids=["gone", "same size", "another"]
)
def test_an_object_that_changes_meanwhile_is_named_and_no_copy_is_whole(
    content: bytes | None, days: Any, tmp_path: Path
) -> None:
    last = f"day={DAYS[1]}/part-0.parquet"

    def change() -> None:
        if content is None:
            days.rm(f"/bucket/rows/{last}")
        else:
            days.pipe(f"/bucket/rows/{last}", content)

    changed = pytest.raises(DataError, match=f"while they are copied, but {last} changed")
    with after_the_first_object(change), changed:
        identity_of(ROWS, tmp_path)
    assert not is_copied(tmp_path)
    if content is None:
        assert values(ROWS, tmp_path) == [0]


def test_an_object_that_arrives_cut_off_is_named_and_not_kept(
    days: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(store: MemoryFileSystem, path: str, local: str, **named: Any) -> None:
        Path(local).write_bytes(store.cat_file(path)[:100])

    monkeypatch.setattr(MemoryFileSystem, "get_file", cut_off)
    with pytest.raises(DataError, match=f"but day={DAYS[0]}/part-0.parquet changed"):
        identity_of(ROWS, tmp_path)
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_listing_that_fsspec_remembers_is_not_believed(
    days: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find, remembered = MemoryFileSystem.find, {}

    def find_once(store: MemoryFileSystem, path: str, **named: Any) -> Any:
        return remembered.setdefault(path, find(store, path, **named))

    monkeypatch.setattr(MemoryFileSystem, "find", find_once)
    monkeypatch.setattr(MemoryFileSystem, "invalidate_cache", lambda *_: remembered.clear())
    identity_of(ROWS, tmp_path)
    days.rm(f"/bucket/rows/day={DAYS[0]}", recursive=True)
    assert values(ROWS, tmp_path) == [1]


def test_a_damaged_copy_is_mended(days: Any, tmp_path: Path) -> None:
    identity_of(ROWS, tmp_path)
    copied = next((tmp_path / copies.FOLDER).rglob("*.parquet"))
    copied.write_bytes(b"")
    assert not is_copied(tmp_path)
    assert values(ROWS, tmp_path) == [0, 1]


def test_rows_are_copied_when_nothing_asked_for_their_identity(days: Any, tmp_path: Path) -> None:
    assert load(Options(path=ROWS), tmp_path, tmp_path).collect()["x"].to_list() == [0, 1]


def fails(error: Exception) -> Callable[..., None]:
    def info(*given: Any, **named: Any) -> None:
        raise error

    return info


def test_a_store_that_is_away_is_said_and_the_copy_is_read(
    days: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = identity_of(ROWS, tmp_path)
    monkeypatch.setattr(MemoryFileSystem, "info", fails(ConnectionError("no route to host")))
    said: list[str] = []
    assert identity_of(ROWS, tmp_path, said) == before
    assert said[0].startswith(f"data.source.path: {ROWS}: cannot be read: no route to host; its")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PermissionError("Access Denied"), "the store refuses access: Access Denied"),
        (RuntimeError("no credentials"), "cannot be read: no credentials"),
        (RuntimeError("of http://ann:s3cret@proxy"), r"of http://ann:\*\*\*@proxy"),
        (RuntimeError(), "cannot be read: RuntimeError"),
    ],
)
def test_a_store_that_cannot_be_read_is_told_in_its_words(
    error: Exception,
    message: str,
    days: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(MemoryFileSystem, "info", fails(error))
    with pytest.raises(EnvironmentFault, match=message):
        identity_of(ROWS, tmp_path)


@pytest.mark.parametrize("path", ["nothing", "rows/*.parquet", "rows/_SUCCESS/*"])
def test_a_url_without_tables_is_refused(path: str, days: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"must be a table \(.*\), or .*there is none"):
        identity_of(f"memory://bucket/{path}", tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("notes.txt", r"must hold tables \(.*\), got \'notes.txt\'"),
        ("_delta_log/0.json", "is a Delta table"),
        ("a//x.parquet", "'a//x.parquet' is no name of a file"),
    ],
)
def test_a_folder_with_other_objects_is_refused_before_anything_is_copied(
    name: str, message: str, days: Any, tmp_path: Path
) -> None:
    MemoryFileSystem.store[f"/bucket/rows/{name}"] = MemoryFile(path=name, data=b"x")
    with pytest.raises(DataError, match=message):
        identity_of(ROWS, tmp_path)
    assert not list(tmp_path.rglob("*.parquet"))


def test_an_object_cannot_leave_the_cache(days: Any, tmp_path: Path) -> None:
    name = "a/../../../../x.parquet"
    MemoryFileSystem.store[f"/bucket/rows/{name}"] = MemoryFile(path=name, data=parquet(x=[9]))
    assert values(ROWS, tmp_path) == [0, 1]


@pytest.mark.parametrize("may_fetch", [True, False], ids=["launch", "doctor"])
def test_the_package_of_a_store_is_named_and_nothing_is_written(
    may_fetch: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = {"class": "no_such_module.Store", "err": "Install ossfs"}
    monkeypatch.setitem(known_implementations, "oss", store)
    contents = FileHasher(tmp_path, print, may_fetch=may_fetch)
    with pytest.raises(EnvironmentFault, match="not installed: Install ossfs") as raised:
        identity(Options(path="oss://bucket/rows"), tmp_path, contents)
    assert raised.value.remedy.startswith("pip install s3fs")
    assert not list(tmp_path.iterdir())


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
        "hdfs://name-node:8020/rows",
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
    ("url", "asked"),
    [
        ("http://[::1]:1/x", "http://[0000:0000:0000:0000:0000:0000:0000:0001]:1/x"),
        ("http://[2001:db8::7]", "http://[2001:0db8:0000:0000:0000:0000:0000:0007]"),
        ("s3://bucket/[0-9].parquet", "s3://bucket/[0-9].parquet"),
        ("s3://bucket//[0]/x.parquet", "s3://bucket//[0]/x.parquet"),
    ],
)
def test_an_address_of_ipv6_is_asked_without_what_chains_urls(url: str, asked: str) -> None:
    assert without_short_address(url) == asked


CHAINED = "must be one URL, got several that are chained"
OTHER = "must be a path, or a URL of a store that can be"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("simplecache::memory://bucket/rows", CHAINED),
        ("reference://::memory://bucket/rows.json", CHAINED),
        ("reference://x/::memory://bucket/rows.json", CHAINED),
        ("zip://rows.parquet::s3://bucket/rows.zip", CHAINED),
        ("memory://bucket/a::b.parquet", CHAINED),
        ("http://[::1]::hdfs://h/x", CHAINED),
        ("abfsss://bucket/rows", "did you mean 'abfss'"),
        *((f"{store}://x/rows", OTHER) for store in sorted({*known_implementations} - {*STORES})),
    ],
)
def test_a_url_that_is_of_no_store_is_refused(url: str, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        Options(path=url)


@pytest.mark.parametrize("url", ["sqlite:///shop.db", "postgresql+psycopg://ann@db/shop"])
def test_a_database_is_refused_with_what_to_write(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"got the URL of a database: .*as Parquet"):
        local_path(url, "TABLE", tmp_path, print)


def test_a_long_copy_says_how_far_it_is(
    days: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy_news, "SECONDS_BETWEEN_NEWS", -1)
    said: list[str] = []
    identity_of(ROWS, tmp_path, said)
    assert "copied 1 kB of 1 kB" in said
