"""A server of a small model in this process, asked without a socket."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from hinet_search.server.app import Service, make_app
from hinet_search.server.current_model import CurrentModel
from hinet_search.server.metrics import Metrics
from hinet_search.server.settings import Limits, Listening
from tests.server.running import run
from tests.serving.requests.exported import write_export

GOOD = {"place": 1, "user": 7, "item": "00", "price": 100.5, "age": 30}
ADDRESS = "http://127.0.0.1:8000"


@dataclass
class Asked:
    """A server, what it has logged, and its application."""

    service: Service
    log: list[str] = field(default_factory=list)

    @cached_property
    def app(self) -> ASGIApp:
        return make_app(self.service)

    def ask(self, path: str, method: str = "GET", **more: Any) -> httpx.Response:
        """Send one request."""

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url=ADDRESS) as client:
                return await client.request(method, path, **more)

        return run(send())

    def score(self, *rows: dict[str, Any], **more: Any) -> httpx.Response:
        """Ask for the scores of rows."""
        return self.ask("/score", "POST", json={"rows": list(rows)}, **more)

    def metric(self, line: str) -> float:
        """The value of a metric by its name and labels."""
        text = self.service.metrics.text().decode()
        (found,) = [each for each in text.splitlines() if each.startswith(f"{line} ")]
        return float(found.split()[-1])


Make = Callable[..., Asked]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exported folder."""
    return write_export(tmp_path_factory.mktemp("served") / "first")


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A newer folder with other weights."""
    return write_export(tmp_path_factory.mktemp("served") / "second", seed=1)


@pytest.fixture
def make(folder: Path) -> Iterator[Make]:
    """`make(limits=..., listening=...)` gives a server that has loaded its model."""
    with ThreadPoolExecutor(2) as pool:

        def made(at: Path = folder, *, load: bool = True, **changed: Any) -> Asked:
            log: list[str] = []
            metrics = Metrics()
            current = CurrentModel(at, metrics, log.append)
            if load:
                current.load()
            service = Service(current, metrics, pool, Listening(), Limits(), log.append)
            return Asked(replace(service, **changed), log)

        yield made


@pytest.fixture
def server(make: Make) -> Asked:
    """A server with its defaults."""
    return make()


def body(*rows: dict[str, Any]) -> bytes:
    """The body of a request to score."""
    return json.dumps({"rows": list(rows)}).encode()
