"""A database's password is in no argument, log, error, report or table, and never travels in plain text."""

import socket
import traceback
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import psycopg
import pytest

from hinet_search.common.errors import DataError, EnvironmentFault
from hinet_search.data.prepare import prepare
from hinet_search.storage.engine import connect
from hinet_search.study.data_definition import DataDefinition
from tests.security.passwords import FORMS, PASSWORD, asking_server, shown


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that asks ann for her password."""
    with asking_server(tmp_path_factory.mktemp("secrets")) as address:
        yield address


def bare(url: str) -> str:
    """The URL without its password."""
    assert FORMS[1] in url
    return url.replace(f":{FORMS[1]}@", "@")


@pytest.mark.postgres
def test_a_password_may_stay_in_a_file_of_the_drivers_own(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(url, create=True).close()
    with pytest.raises(EnvironmentFault, match="no password supplied"):
        connect(bare(url))
    passwords = tmp_path / "passwords"
    passwords.write_text(f"*:*:*:ann:{PASSWORD}\n")
    passwords.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    connect(bare(url)).close()


@pytest.mark.postgres
def test_a_wrong_password_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(EnvironmentFault, match="password authentication failed") as caught:
        connect(url.replace("a{}", "wr0ng{}"))
    assert "wr0ng" not in str(caught.value)


@pytest.fixture
def plain_server() -> Iterator[tuple[int, list[bytes]]]:
    """A server without TLS: its port, and all that it receives."""
    heard: list[bytes] = []

    def answer() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(20)
            while told := connection.recv(4096):
                heard.append(told)
                if len(told) == 8:  # the request for TLS (or for GSSAPI): no
                    connection.sendall(b"N")
                else:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=answer)
        thread.start()
        yield listener.getsockname()[1], heard
        thread.join()


def address(port: int, more: str = "") -> str:
    """A URL of another machine by name, with an address on this machine."""
    return f"postgresql://ann:s3cret@db.example:{port}/studies?hostaddr=127.0.0.1&gssencmode=disable{more}"


def test_to_another_machine_nothing_is_said_in_plain_text(
    plain_server: tuple[int, list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGSSLMODE", raising=False)
    port, heard = plain_server
    with pytest.raises(EnvironmentFault) as caught:
        connect(address(port))
    assert [len(told) for told in heard] == [8], (
        "TLS was asked for, and no more was said without it"
    )
    assert "server does not support SSL" in str(caught.value)
    assert caught.value.remedy == (
        "turn TLS on in the server, or, if the network between them is trusted, add ?sslmode=disable to its URL"
    )
    assert "s3cret" not in str(caught.value)


def test_a_url_may_allow_plain_text(plain_server: tuple[int, list[bytes]]) -> None:
    port, heard = plain_server
    with pytest.raises(EnvironmentFault):
        connect(address(port, "&sslmode=disable"))
    assert b"ann" in heard[0]


QUERY = {"query": "SELECT * FROM shop", "kind": "sql"}


@pytest.mark.postgres
@pytest.mark.parametrize("driver", ["postgresql", "postgresql+psycopg"])
def test_a_password_of_a_query_is_in_no_file_message_or_record(
    driver: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS shop")
        connection.execute(
            "CREATE TABLE shop AS SELECT 'home' AS place, i % 7 AS item, i / 3 % 2 AS click, "
            "CASE i % 3 WHEN 0 THEN 'train' WHEN 1 THEN 'valid' ELSE 'test' END AS part "
            "FROM generate_series(1, 300) i"
        )
    monkeypatch.setenv("SHOP_PASSWORD", PASSWORD)
    source = {**QUERY, "url": bare(url).replace("ann@", "ann:${SHOP_PASSWORD}@", 1)}
    source["url"] = source["url"].replace("postgresql", driver, 1)
    said: list[str] = []
    dataset = prepare(of_shop(source), tmp_path, tmp_path / "cache", said.append)
    files = [path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 20
    assert shown(url), "what is looked for can be found"
    for place in (str(dataset.record), *said, *files):
        assert shown(place) == []


@pytest.mark.postgres
@pytest.mark.parametrize("driver", ["postgresql", "postgresql+psycopg"])
def test_a_wrong_password_of_a_query_is_refused_and_not_repeated(
    driver: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_URL", url.replace("a{}", "wr0ng{}").replace("postgresql", driver, 1))
    source = {**QUERY, "url": "${SHOP_URL}"}
    with pytest.raises(EnvironmentFault, match="password authentication failed") as caught:
        prepare(of_shop(source), tmp_path, tmp_path / "cache", lambda _: None)
    assert "wr0ng" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.postgres
def test_an_error_of_a_query_does_not_repeat_its_password(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_URL", url)
    source = {**QUERY, "url": "${SHOP_URL}", "query": f"SELECT '{PASSWORD}' FROM nowhere"}
    with pytest.raises(
        DataError, match=r"\*\*\*.* does not exist|does not exist.*\*\*\*"
    ) as caught:
        prepare(of_shop(source), tmp_path, tmp_path / "cache", lambda _: None)
    assert shown(str(caught.value)) == []


def test_a_query_says_nothing_in_plain_text_to_another_machine(
    plain_server: tuple[int, list[bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGSSLMODE", raising=False)
    port, heard = plain_server
    monkeypatch.setenv("SHOP_URL", address(port))
    with pytest.raises(EnvironmentFault, match="server does not support SSL") as caught:
        prepare(
            of_shop({**QUERY, "url": "${SHOP_URL}"}), tmp_path, tmp_path / "cache", lambda _: None
        )
    assert [len(told) for told in heard] == [8]
    assert "s3cret" not in str(caught.value)


def of_shop(source: dict[str, str]) -> DataDefinition:
    """A definition of the table `shop`."""
    return DataDefinition.model_validate(
        {
            "source": source,
            "scenario": {"column": "place"},
            "tasks": {"click": {"column": "click"}},
            "features": {"categorical": ["item"]},
            "split": {"by": "column", "column": "part"},
        }
    )
