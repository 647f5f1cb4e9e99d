"""An exchange gives back what was put or nothing, shows no secret, and is asked again while it is away."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest

from hinet_search.errors import ConfigurationError, EnvironmentFault, ExchangeAway
from hinet_search.executors import _exchange, ray
from hinet_search.executors._exchange import Content, Damaged, Exchange, content_of
from hinet_search.patience import Patience
from hinet_search.yaml_file import validated
from tests.s3 import S3, SECRET


def never() -> bool:
    return False


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def patience(said: list[str]) -> Patience:
    return Patience(said.append, never)


@pytest.fixture
def exchange(url: str) -> Exchange:
    return Exchange(f"{url}/shop-1")


def put(exchange: Exchange, name: str, text: str, folder: Path) -> Content:
    file = folder / "source"
    file.write_text(text)
    content = content_of(file)
    exchange.put(name, file, content)
    return content


def test_what_was_put_is_found_and_fetched(exchange: Exchange, tmp_path: Path, patience: Patience) -> None:
    first, second = put(exchange, "a/b/1.json", "one", tmp_path), put(exchange, "a/b/2.json", "", tmp_path)
    put(exchange, "a/c", "other", tmp_path)
    assert exchange.found("a/b") == {"a/b/1.json": first, "a/b/2.json": second}
    assert exchange.found("a/b/1.json") == {"a/b/1.json": first}
    for name, content, text in (("1.json", first, "one"), ("2.json", second, "")):
        exchange.fetch(f"a/b/{name}", content, tmp_path / "here" / name, patience)
        assert (tmp_path / "here" / name).read_text() == text


def test_what_is_dropped_is_gone_and_may_be_dropped_again(exchange: Exchange, tmp_path: Path) -> None:
    contents = {name: put(exchange, name, name, tmp_path) for name in ("a/1", "a/2", "b/1")}
    for _ in range(2):
        exchange.drop("a/1", contents["a/1"])
        assert exchange.found("a") == {"a/2": contents["a/2"]}
    for _ in range(2):
        exchange.drop_all("a")
        assert (exchange.found("a"), exchange.found("b")) == ({}, {"b/1": contents["b/1"]})


def test_a_check_leaves_nothing(exchange: Exchange, url: str) -> None:
    exchange.check()
    files, root = fsspec.core.url_to_fs(url)
    files.invalidate_cache()
    assert files.find(root) == []


def spoil(exchange: Exchange, name: str, content: Content, change: Callable[[bytes], bytes]) -> None:
    """Other bytes in the place of what was put."""
    place = exchange._object(name, content)
    exchange._files.pipe_file(place, change(exchange._files.cat_file(place)))


@pytest.mark.parametrize(
    "change", [lambda was: was[: len(was) // 2], lambda was: b"\0" + was[1:]], ids=["half of it", "a byte of it"]
)
def test_what_is_not_what_was_put_is_no_file_here(
    exchange: Exchange, tmp_path: Path, patience: Patience, change: Callable[[bytes], bytes]
) -> None:
    content = put(exchange, "a/1", "some text", tmp_path)
    spoil(exchange, "a/1", content, change)
    with pytest.raises(Damaged, match="shop-1/a/1 must hold what was put, but is damaged"):
        exchange.fetch("a/1", exchange.found("a")["a/1"], tmp_path / "here" / "1", patience)
    assert list((tmp_path / "here").iterdir()) == []


@pytest.mark.parametrize("name", ["../outside", "a/../../outside", "/outside", ""])
def test_a_name_that_leads_out_of_the_folder_is_not_one(name: str) -> None:
    assert not _exchange.is_plain(name)


def test_what_others_wrote_beside_is_not_found(s3: S3, tmp_path: Path) -> None:
    exchange = Exchange(f"{s3.bucket()}/shop-1")
    kept = put(exchange, "a/1", "one", tmp_path)
    for name in ("a/../../outside", "a/1.txt"):
        exchange._files.pipe_file(f"{exchange._root}/{name}/{kept.sha256 if '..' in name else 'x'}", b"one")
    assert exchange.found("a") == {"a/1": kept}


def test_only_the_piece_that_did_not_come_is_asked_for_again(
    exchange: Exchange, tmp_path: Path, patience: Patience, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    monkeypatch.setattr(_exchange, "CHUNK", 4)
    content = put(exchange, "a", "0123456789", tmp_path)
    read, asked = Exchange._read, []

    def failing(self: Exchange, place: str, start: int, end: int) -> bytes:
        asked.append(start)
        if asked == [0, 4]:
            raise ExchangeAway("the line is cut")
        return read(self, place, start, end)

    monkeypatch.setattr(Exchange, "_read", failing)
    exchange.fetch("a", content, tmp_path / "here", patience)
    assert ((tmp_path / "here").read_text(), asked) == ("0123456789", [0, 4, 4, 8])
    assert said[0] == "the line is cut; waiting for it, training goes on (at most 300 s)"
    assert said[1].startswith("the exchange is back after ")


def test_a_server_that_went_away_is_waited_for(s3: S3, tmp_path: Path) -> None:
    exchange, said = Exchange(f"{s3.bucket()}/shop-1"), []
    content = put(exchange, "a", "text", tmp_path)

    def say(text: str) -> None:
        said.append(text)
        if len(said) == 1:
            s3.turn()

    s3.turn()
    assert Patience(say, never)(lambda: exchange.found("a")) == {"a": content}
    assert said[0].startswith(f"exchange {exchange.url} is not usable: Could not connect to the endpoint URL")
    assert said[1].startswith("the exchange is back after ")


def test_an_exchange_that_is_not_there_is_told_at_once(s3: S3) -> None:
    with pytest.raises(
        ExchangeAway, match="exchange s3://nowhere/x is not usable: The specified bucket does not exist"
    ):
        Exchange("s3://nowhere/x").check()
    assert ExchangeAway.exit_code == 4


def test_no_secret_of_the_environment_is_told(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(f"the key {SECRET} is not known\nand more")

    exchange = Exchange(s3.bucket())
    monkeypatch.setattr(exchange._files, "pipe_file", refuse)
    with pytest.raises(ExchangeAway) as caught:
        exchange.check()
    assert caught.value.problems == (f"exchange {exchange.url} is not usable: the key *** is not known",)


@pytest.mark.parametrize(
    "url",
    [
        "s3://key:hidden@bucket/x",
        "ftp://ann:hidden@host/x",
        "abfs://c@host/x?sig=hidden",
        "s3://b/x#hidden",
        "hidden",
        "s3://",
    ],
)
def test_a_url_with_a_secret_in_it_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(
        ConfigurationError, match=r"executor.*exchange: must be a URL such as s3://bucket/prefix"
    ) as caught:
        validated(ray.Options, {"exchange": url}, "executor")
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("url", ["s3://bucket/some/prefix", "s3://bucket", "file:///mnt/x", "sftp://ann@host/x"])
def test_other_urls_are_taken(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_exchange, "missing_driver", lambda _: "")
    assert ray.Options(exchange=f"{url}/").exchange == url


@pytest.mark.parametrize(("url", "package"), [("gs://bucket/x", "gcsfs"), ("new://x", "for new://")])
def test_a_missing_driver_is_named(url: str, package: str) -> None:
    with pytest.raises(
        EnvironmentFault, match=f"exchange {url} needs a driver, but there is no package {package}\n"
    ) as caught:
        ray.Options(exchange=url)
    assert caught.value.exit_code == 4


MOVER = """
import re, sys
from pathlib import Path
from hinet_search.executors._exchange import Exchange, content_of
from hinet_search.patience import Patience

def megabytes(kind):
    return int(re.search(kind + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024

before = megabytes("VmRSS")
exchange, file = Exchange(sys.argv[1]), Path(sys.argv[2])
exchange.check()
ready, content = megabytes("VmRSS"), content_of(file)
exchange.put("large", file, content)
put = megabytes("VmHWM")
exchange.fetch("large", content, file.with_name("back"), Patience(print, lambda: False))
print(before, ready, put, megabytes("VmHWM"))
"""


@pytest.mark.slow
def test_a_large_file_goes_through_memory_in_pieces(s3: S3, tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(300 * 2**20)
    command = [sys.executable, "-c", MOVER, f"{s3.bucket()}/shop-1", str(tmp_path / "large")]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    before, ready, put, fetched = map(int, said.split())
    print(f"memory in MB: driver {ready - before}; putting 300 MB {put - ready}, fetching them {fetched - put} more")
    assert fetched - ready < 200
    assert content_of(tmp_path / "back") == content_of(tmp_path / "large")
