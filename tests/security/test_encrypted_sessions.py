"""A session with a PostgreSQL server on another machine is encrypted or refused; the server's identity is verified on demand."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from hinet_search.common.errors import EnvironmentFault
from hinet_search.storage.engine import connect
from tests.postgres import server, url_of
from tests.security.tls import Front, certificate, front_of

pytestmark = pytest.mark.postgres

Certified = tuple[Path, ssl.SSLContext]


@pytest.fixture(scope="module")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with our tables, which takes plain sessions too."""
    with server(tmp_path_factory.mktemp("tls")) as running:
        connect(url_of(running), create=True).close()
        yield url_of(running)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    return certificate(tmp_path_factory.mktemp("own"), "db.example")


@pytest.fixture(scope="module")
def of_another(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    return certificate(tmp_path_factory.mktemp("another"), "another.example")


@pytest.fixture(autouse=True)
def no_mode_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGSSLMODE", "PGSSLROOTCERT"):
        monkeypatch.delenv(name, raising=False)


def is_encrypted(front: Front, more: str = "") -> bool:
    """Return whether the driver reports encryption for a session that reads tables."""
    database = connect(front.url(more))
    try:
        with database.reading() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM hs_schema").scalar() == 1
            return bool(connection.connection.driver_connection.pgconn.ssl_in_use)  # type: ignore[union-attr]
    finally:
        database.close()


def test_every_session_with_another_machine_is_encrypted(server_url: str, own: Certified) -> None:
    with front_of(server_url, own[1]) as front:
        assert is_encrypted(front)
        assert set(front.sessions) == {"TLSv1.3"}


def test_a_server_without_tls_on_another_machine_is_refused_before_a_word_is_said(
    server_url: str,
) -> None:
    with front_of(server_url, None) as front:
        with pytest.raises(EnvironmentFault, match="server does not support SSL") as caught:
            connect(front.url())
        assert "turn TLS on in the server, or, if the network" in caught.value.remedy
        assert front.sessions == []
        assert not is_encrypted(front, "&sslmode=disable"), "it would have been taken"
        assert set(front.sessions) == {"plain"}


def test_a_server_is_verified_where_the_url_asks_for_it(server_url: str, own: Certified) -> None:
    with front_of(server_url, own[1]) as front:
        assert is_encrypted(front, f"&sslmode=verify-full&sslrootcert={own[0]}")


@pytest.mark.parametrize("roots", ["its own", "of the system"])
def test_verification_refuses_a_server_of_another_name_or_of_no_known_authority(
    server_url: str, own: Certified, of_another: Certified, roots: str
) -> None:
    context, root = (
        (of_another[1], str(of_another[0])) if roots == "its own" else (own[1], "system")
    )
    with front_of(server_url, context) as front:
        with pytest.raises(
            EnvironmentFault, match=r"does not match host name|certificate verify failed"
        ) as caught:
            connect(front.url(f"&sslmode=verify-full&sslrootcert={root}"))
        assert front.sessions == []
        assert "a{}" not in str(caught.value)
        assert is_encrypted(front), "encrypted it is all the same"
