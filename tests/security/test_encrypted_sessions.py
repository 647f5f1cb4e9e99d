"""A session with a PostgreSQL server on another machine is encrypted or refused; the server's identity is verified on demand.

The tests' own server comes from a wheel that is built without TLS, so a front stands before it: it answers the protocol's request
for TLS, ends the encryption, and passes the rest on to the server's socket.
"""

import socket
import ssl
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy.engine import make_url

from hinet_search.common.errors import EnvironmentFault
from hinet_search.storage.engine import connect
from tests.postgres import server, url_of

pytestmark = pytest.mark.postgres
TLS_WANTED, GSS_WANTED = 80877103, 80877104  # of the protocol
REQUEST = struct.Struct("!II")

Certified = tuple[Path, ssl.SSLContext]


@dataclass
class Front:
    """A port of this machine, and of each session the version of TLS in which it was held, or `plain`."""

    port: int
    sessions: list[str] = field(default_factory=list)

    def url(self, more: str = "") -> str:
        """The server as one on another machine, by its name; its address is here."""
        return (
            f"postgresql://ann:a{{}}%25b@db.example:{self.port}/postgres?hostaddr=127.0.0.1{more}"
        )


@contextmanager
def front_of(server_url: str, context: ssl.SSLContext | None) -> Iterator[Front]:
    """A front with that certificate; without one it has no TLS."""
    folder = make_url(server_url).query["host"]
    place = f"{folder}/.s.PGSQL.5432"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        front = Front(listener.getsockname()[1])
        Thread(target=_accept, args=(listener, place, context, front.sessions), daemon=True).start()
        yield front
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


def certificate(folder: Path, name: str) -> tuple[Path, ssl.SSLContext]:
    """A certificate for a host of that name, signed by itself, and a server's context with it."""
    certificate_file, key = folder / f"{name}.crt", folder / f"{name}.key"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    names = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    subprocess.run(
        [*command.split(), *names, "-keyout", str(key), "-out", str(certificate_file)],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate_file, key)
    return certificate_file, context


def _accept(
    listener: socket.socket, place: str, context: ssl.SSLContext | None, sessions: list[str]
) -> None:
    with suppress(OSError):  # the listener was closed
        while True:
            client, _ = listener.accept()
            Thread(target=_serve, args=(client, place, context, sessions), daemon=True).start()


def _serve(
    client: socket.socket, place: str, context: ssl.SSLContext | None, sessions: list[str]
) -> None:
    """Serve one session; a client that leaves during the handshake is not counted."""
    with suppress(OSError, struct.error), client:
        while (code := REQUEST.unpack(client.recv(8, socket.MSG_PEEK | socket.MSG_WAITALL))[1]) in (
            TLS_WANTED,
            GSS_WANTED,
        ):
            client.recv(8)
            wanted = context if code == TLS_WANTED else None
            client.sendall(b"S" if wanted else b"N")
            if wanted:
                with wanted.wrap_socket(client, server_side=True) as encrypted:
                    _pass_on(encrypted, place, str(encrypted.version()), sessions)
                return
        _pass_on(client, place, "plain", sessions)


def _pass_on(client: socket.socket, place: str, how: str, sessions: list[str]) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        first = client.recv(2**16)
        if not first:
            return
        sessions.append(how)
        server.connect(place)
        server.sendall(first)
        Thread(target=_pump, args=(server, client), daemon=True).start()
        _pump(client, server)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while part := source.recv(2**16):
            sink.sendall(part)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


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
