"""Addresses of databases."""

from pathlib import Path

import pytest

from hinet_search.common.database_url import parse_address
from hinet_search.common.errors import ConfigurationError


@pytest.mark.parametrize(
    "text", ["some/h.db", "sqlite:///some/h.db", "sqlite+pysqlite:///some/h.db"]
)
def test_a_path_and_a_url_name_the_same_sqlite_file(text: str) -> None:
    address = parse_address(text)
    assert (address.file, address.url) == (Path("some/h.db"), "sqlite:///some/h.db")


def test_an_absolute_path_stays_absolute() -> None:
    assert parse_address("sqlite:////tmp/h.db").file == Path("/tmp/h.db")


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg"])
def test_a_postgres_url_uses_psycopg(scheme: str) -> None:
    assert (
        parse_address(f"{scheme}://ann@localhost/studies").url
        == "postgresql+psycopg://ann@localhost/studies"
    )


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:s3c{}r%25t@db:5/studies",
        "postgresql://ann@db:5/studies?password=s3c{}r%25t",
    ],
    ids=["before the host", "in the query"],
)
def test_a_password_is_kept_apart_from_whatever_may_be_printed(url: str) -> None:
    address = parse_address(url)
    assert address.password == "s3c{}r%t"
    assert address.masked == "postgresql+psycopg://ann:***@db:5/studies"
    assert address.url == "postgresql+psycopg://ann@db:5/studies?sslmode=require"
    assert "s3c" not in repr(address)


@pytest.mark.parametrize(
    "text", ["", "sqlite://", "sqlite:///:memory:", "sqlite:///file:a?uri=true"]
)
def test_a_database_that_no_other_process_can_open_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="must be a file that other processes can open"):
        parse_address(text)


def test_another_kind_of_database_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="got one of kind 'mysql'"):
        parse_address("mysql://ann:secret@db/studies")


def test_an_unreadable_url_is_refused_without_repeating_its_password() -> None:
    with pytest.raises(ConfigurationError, match="not readable") as caught:
        parse_address("postgresql://ann:secret@db:port/studies")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann@db/studies",
        "postgresql://ann@10.0.0.5/studies",
        "postgresql:///studies?host=db",
        "postgresql:///studies?host=localhost,db",
        "postgresql:///studies?host=/run/postgresql&host=db",
        "postgresql:///studies?hostaddr=10.0.0.5",
        "postgresql://db/studies?hostaddr=127.0.0.1",
    ],
)
def test_tls_is_required_of_another_machine(url: str) -> None:
    address = parse_address(url)
    assert "sslmode=require" in address.url
    assert "sslmode" not in address.masked


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann@localhost/studies",
        "postgresql://ann@127.0.0.1/studies",
        "postgresql://ann@[::1]/studies",
        "postgresql:///studies",
        "postgresql:///studies?host=/run/postgresql",
    ],
)
def test_on_this_machine_the_driver_decides(url: str) -> None:
    assert "sslmode" not in parse_address(url).url


@pytest.mark.parametrize("mode", ["disable", "verify-full"])
def test_a_url_that_names_a_mode_keeps_it(mode: str) -> None:
    assert parse_address(f"postgresql://ann@db/studies?sslmode={mode}").url.endswith(
        f"?sslmode={mode}"
    )


def test_the_drivers_own_variables_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "db")
    assert "sslmode=require" in parse_address("postgresql:///studies").url
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    assert "sslmode" not in parse_address("postgresql:///studies").url


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (
            "sslkeylogfile=/home/ann/.bashrc",
            "the option 'sslkeylogfile' of a database is not taken",
        ),
        ("sslkey=./evil.so:key&sslcert=a.crt", "sslkey must name a file, without a colon"),
        ("sslkey=a.key&sslkey=./evil.so:key", "sslkey must name a file, without a colon"),
        ("gsslib=x", "may name code to run or a file to write"),
        ("ssl_mode=require", "did you mean 'sslmode'"),
    ],
)
def test_an_option_that_runs_code_or_writes_a_file_is_refused(option: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        parse_address(f"postgresql://ann@db/studies?{option}")
