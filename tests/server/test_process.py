"""A server as a process: SIGHUP loads the model again, SIGTERM lets a running request finish."""

import json
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from subprocess import Popen
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from hinet_search.server.run import bound
from hinet_search.server.settings import Listening
from tests.forked import Forked, typed
from tests.server.conftest import GOOD, body
from tests.server.test_reload import lead_to
from tests.waiting import LIMIT_SECONDS, wait_until

HEAD = "POST /score HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n"


def free_port() -> int:
    """A port that is free, as the system says."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def ready(port: int) -> dict[str, object]:
    """What /ready says; nothing before the server is."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/ready", timeout=10) as reply:
            return dict(json.load(reply))
    except (URLError, ConnectionError):
        return {}


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def process(folder: Path, port: int, tmp_path: Path) -> Iterator[Forked]:
    """A server of a link in the current folder."""
    (tmp_path / "current").symlink_to(folder)
    started = typed(tmp_path, "serve", "current", "--port", str(port), "--threads", "1")
    yield started
    started.kill()


def test_sighup_loads_the_model_again_and_sigterm_finishes_what_runs(
    process: Forked, port: int, other: Path, tmp_path: Path
) -> None:
    wait_until(lambda: ready(port), process.said.read_text)
    before = ready(port)["version"]
    lead_to(tmp_path / "current", other)
    process.send_signal(signal.SIGHUP)
    wait_until(lambda: ready(port)["version"] != before, process.said.read_text)

    content = body(GOOD)
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(HEAD.format(port=port, size=len(content)).encode() + content[:10])
        wait_until(lambda: ready(port))  # so that the server has seen the head
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: not ready(port), process.said.read_text)  # it no longer listens
        client.sendall(content[10:])
        reply = b"".join(iter(lambda: client.recv(4096), b""))
    assert reply.startswith(b"HTTP/1.1 200 OK")
    assert b'"probabilities"' in reply
    assert process.wait(LIMIT_SECONDS) == 0
    said = process.said.read_text()
    assert said.count("loaded shop/shared_bottom") == 2
    assert said.splitlines()[-1].endswith(" stopped")


def test_replies_are_sent_without_waiting_for_more() -> None:
    """asyncio sets TCP_NODELAY on connections of a listener with this protocol only."""
    with bound(Listening(port=0)) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_more_idle_clients_than_files_block_neither_a_request_nor_the_end(
    folder: Path, port: int, tmp_path: Path
) -> None:
    command = Path(sys.executable).with_name("hinet-search")
    line = f"ulimit -n 64; exec {command} serve {folder} --port {port} --threads 1"
    said = tmp_path / "said"
    with ExitStack() as stack, said.open("wb") as output:
        server = stack.enter_context(Popen(["sh", "-c", line], stdout=output, stderr=output))
        stack.callback(server.kill)
        wait_until(lambda: ready(port), said.read_text)
        for _ in range(200):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        assert all(ready(port)["version"] for _ in range(5))
        server.terminate()
        assert server.wait(LIMIT_SECONDS) == 0
    lines = said.read_text().splitlines()
    assert len(lines) == 3, lines
    assert lines[-1].endswith(" stopped")
