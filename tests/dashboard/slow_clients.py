"""Connections of clients that send or read slowly."""

import socket
from contextlib import suppress

from tests.waiting import LIMIT_SECONDS


def connected(port: int, source: str = "127.0.0.1") -> socket.socket:
    """A connection to a port of this machine, without a delay of small parts."""
    client = socket.create_connection(
        ("127.0.0.1", port), timeout=LIMIT_SECONDS, source_address=(source, 0)
    )
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def is_closed(client: socket.socket) -> bool:
    """Whether the server closes the connection, after what it has sent."""
    with suppress(ConnectionError):
        while client.recv(65_536):
            pass
    return True
