"""A database's password is in no argument, log, error, report or table, and never travels in plain text."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy import inspect, text

from hinet_search.errors import EnvironmentFault
from hinet_search.storage.engine import connect
from tests.postgres import server, url_of
from tests.security.processes import command_lines, launching
from tests.small import STUDY, write_study

PASSWORD = "a{}%b"  # as tests.postgres gives it to ann
FORMS = (PASSWORD, "a{}%25b", "a%7B%7D%25b")
SHORT = STUDY.replace("trials: 3", "trials: 1").replace("{shared_bottom: , mmoe: }", "{shared_bottom: }")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that asks ann for her password."""
    folder = tmp_path_factory.mktemp("secrets")
    with server(folder) as running:
        rules = folder / "data" / "pg_hba.conf"
        rules.write_text("local all ann scram-sha-256\n" + rules.read_text())
        running.psql("SELECT pg_reload_conf()")
        yield url_of(running)


def bare(url: str) -> str:
    """The URL without its password."""
    assert FORMS[1] in url
    return url.replace(f":{FORMS[1]}@", "@")


def shown(words: str) -> list[str]:
    """The forms of the password that are in a text."""
    return [form for form in FORMS if form in words]


@pytest.mark.postgres
def test_a_password_from_the_environment_is_seen_nowhere(url: str, tmp_path: Path) -> None:
    assert shown(url), "what is looked for can be found"
    write_study(tmp_path, SHORT)
    seen: set[bytes] = set()
    with launching(tmp_path, "launch", "small.yaml", HINET_SEARCH_STORAGE=url) as study:
        while study.poll() is None:
            seen |= command_lines(study.pid)
            time.sleep(0.05)
        said = study.stdout.read()
    assert study.returncode == 0, said
    assert len(seen) >= 3, "the coordinator and two slots"
    page = (tmp_path / "reports" / "small.html").read_text(encoding="utf-8")
    files = [path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*") if path.is_file()]
    for place in (str(seen), said, page, _all_rows(url), *files):
        assert shown(place) == []


def _all_rows(url: str) -> str:
    """Everything in every table."""
    database = connect(url)
    with database.reading() as connection:
        tables = inspect(connection).get_table_names()
        rows = {name: connection.execute(text(f'SELECT * FROM "{name}"')).all() for name in tables}
    database.close()
    assert len(rows["hs_study"]) == 1
    return str(rows)


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
    """A server that has no TLS: its port, and all that it is told."""
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
    """Another machine by its name; its address is here."""
    return f"postgresql://ann:s3cret@db.example:{port}/studies?hostaddr=127.0.0.1&gssencmode=disable{more}"


def test_to_another_machine_nothing_is_said_in_plain_text(
    plain_server: tuple[int, list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGSSLMODE", raising=False)
    port, heard = plain_server
    with pytest.raises(EnvironmentFault) as caught:
        connect(address(port))
    assert [len(told) for told in heard] == [8], "TLS was asked for, and no more was said without it"
    assert "server does not support SSL" in str(caught.value)
    assert caught.value.remedy == (
        "turn TLS on in the server, or, where nobody else can listen, add ?sslmode=disable to its URL"
    )
    assert "s3cret" not in str(caught.value)


def test_a_url_may_allow_plain_text(plain_server: tuple[int, list[bytes]]) -> None:
    port, heard = plain_server
    with pytest.raises(EnvironmentFault):
        connect(address(port, "&sslmode=disable"))
    assert b"ann" in heard[0]
