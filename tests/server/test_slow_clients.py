"""A client that sends or reads slowly does not block the server for others."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from threading import Thread

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

import hinet_search.server.body as reading
from hinet_search.common.errors import EnvironmentFault
from hinet_search.common.shares import Shares
from hinet_search.server import connections
from hinet_search.server.connections import ConnectionLimits
from hinet_search.server.run import bound
from hinet_search.server.settings import Limits, Listening
from tests.server.conftest import GOOD, Asked, Make, body
from tests.server.slow_clients import connected, is_closed
from tests.waiting import wait_until

HEAD = (
    "POST /score HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nContent-Type: application/json\r\n"
    "Content-Length: {size}\r\n\r\n"
)


def test_a_process_that_may_open_too_few_files_serves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections.resource, "getrlimit", lambda _: (63, 63))
    with pytest.raises(EnvironmentFault, match="allows this process 63"):
        connections.connection_limits()
    monkeypatch.setattr(connections.resource, "getrlimit", lambda _: (64, 64))
    assert connections.connection_limits() == ConnectionLimits(most=32, at_once=2)


@contextmanager
def listening(asked: Asked, most: int = 100) -> Iterator[int]:
    """Serve an application on a free port, as `serve` does; return the port."""
    with bound(Listening(port=0)) as listener:
        config = uvicorn.Config(
            asked.app,
            http=connections.patient_protocol(Shares(most)),
            ws="none",
            log_config=None,
            lifespan="off",
        )
        server = uvicorn.Server(config)
        thread = Thread(target=lambda: asyncio.run(server.serve([listener])))
        thread.start()
        wait_until(lambda: server.started)
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = server.force_exit = True
            thread.join()


def status_of(client: socket.socket) -> str:
    """The status of the next reply; empty if the server has closed the connection."""
    with suppress(ConnectionError):
        return client.recv(65_536).split(b" ", 2)[1].decode()
    return ""


def status_of_score(port: int, source: str = "127.0.0.1") -> str:
    content = body(GOOD)
    with connected(port, source) as client:
        client.sendall(HEAD.format(size=len(content)).encode() + content)
        return status_of(client)


@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.2"])
def test_half_sent_bodies_do_not_block_the_server(make: Make, source: str) -> None:
    """They do not from others, nor from the same address: the oldest of them gives way."""
    with listening(make(limits=Limits(requests=8))) as port, ExitStack() as stack:
        halves = [stack.enter_context(connected(port)) for _ in range(20)]
        for half in halves:
            half.sendall(HEAD.format(size=100).encode() + b"{")
        assert [status_of(half) for half in halves[:12]] == ["503"] * 12
        assert [status_of_score(port, source) for _ in range(10)] == ["200"] * 10
        if source != "127.0.0.1":
            halves[-1].sendall(b" " * 99)
            assert status_of(halves[-1]) == "400", "which is no JSON, but it was read to its end"


def test_one_that_has_few_requests_unfinished_keeps_them(make: Make) -> None:
    content = body(GOOD)
    with listening(make(limits=Limits(requests=4))) as port, ExitStack() as stack:
        slow = stack.enter_context(connected(port, "127.0.0.2"))
        slow.sendall(HEAD.format(size=len(content)).encode() + content[:5])
        halves = [stack.enter_context(connected(port)) for _ in range(20)]
        for half in halves:
            half.sendall(HEAD.format(size=100).encode() + b"{")
        assert status_of(halves[0]) == "503"
        slow.sendall(content[5:])
        assert status_of(slow) == "200"


def test_a_body_that_does_not_arrive_in_time_ends_its_connection(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BODY_SECONDS", 0.05)
    with listening(make()) as port, connected(port) as client:
        client.sendall(HEAD.format(size=100).encode() + b"{")
        assert status_of(client) == "408"
        assert is_closed(client)


@pytest.mark.parametrize("sent", [b"", b"GET /health HTTP/1.1\r\nHost:"])
def test_a_head_that_does_not_arrive_is_given_up(
    make: Make, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.05)
    with listening(make()) as port, connected(port) as client:
        client.sendall(sent)
        assert is_closed(client)


def test_so_is_the_head_of_a_second_request(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.2)
    with listening(make()) as port, connected(port) as client:
        client.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n")
        assert status_of(client) == "200"
        client.sendall(b"GET /health HTTP/1.1\r\n")
        assert is_closed(client)


def test_a_head_of_many_bytes_is_given_up(make: Make) -> None:
    with listening(make()) as port, connected(port) as client:
        with suppress(ConnectionError):
            for _ in range(200):
                client.sendall(
                    b"GET /health HTTP/1.1\r\n" if not _ else b"X-A: " + b"y" * 1_000 + b"\r\n"
                )
        assert is_closed(client)


class _Large:
    """An application whose reply no buffer takes."""

    @property
    def app(self) -> object:
        return self.reply

    async def reply(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x" * 50_000_000})


def test_a_client_that_does_not_read_its_reply_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "READ_SECONDS", 0.1)
    ended = []
    with listening(_Large(), 1) as port, connected(port) as client:  # type: ignore[arg-type]
        client.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        with connected(port) as other:  # there is one place, and its request is in progress
            ended.append(is_closed(other))
        wait_until(lambda: _has_room(port))
    assert ended == [True]


def _has_room(port: int) -> bool:
    with connected(port) as client, suppress(ConnectionError):
        client.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        return client.recv(10) != b""
    return False


@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.2"])
def test_idle_connections_leave_room_for_others(make: Make, source: str) -> None:
    with listening(make(), most=10) as port, ExitStack() as stack:
        idle = [stack.enter_context(connected(port)) for _ in range(30)]
        assert is_closed(idle[0])
        assert status_of_score(port, source) == "200"


def test_two_hosts_are_refused(make: Make) -> None:
    with listening(make()) as port, connected(port) as client:
        host = b"Host: 127.0.0.1:8000\r\n"
        client.sendall(b"GET /health HTTP/1.1\r\n" + host + host + b"\r\n")
        assert status_of(client) == "400"
