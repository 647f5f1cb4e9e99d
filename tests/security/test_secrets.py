"""A database's password is in no argument, log, error, report or table, and never travels in plain text."""

import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from hinet_search.common.errors import EnvironmentFault
from hinet_search.storage.engine import connect
from tests.security.passwords import FORMS, PASSWORD, asking_server


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
