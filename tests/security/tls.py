"""TLS in front of the tests' own PostgreSQL server, whose wheel is built without it: what its clients meet is the same.

The front answers the protocol's request for TLS, ends the encryption, and passes the rest on to the server's socket.
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

from sqlalchemy.engine import make_url

TLS_WANTED, GSS_WANTED = 80877103, 80877104  # of the protocol
REQUEST = struct.Struct("!II")


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
