"""The service of docs/ship.md scores rows as `predict` does, and refuses others in words."""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest
from fastapi import FastAPI

from tests.serving.shop import Shop, predicted, rows

PAGE = Path(__file__).parents[2] / "docs" / "ship.md"


@pytest.fixture(scope="module")
def model(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served") / "winner-of-python"
    shop.export("mmoe", folder)
    return folder


def reply_of(app: FastAPI, method: str, path: str, rows: object = None) -> httpx.Response:
    """What an application in this process answers."""

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://model") as client:
            return await client.request(method, path, json=rows)

    # Of a thread of its own: in this one another library may run a loop.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, send()).result()


@pytest.fixture
def app(model: Path, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    """The program of the page, with the exported model beside it."""
    (program,) = re.findall(
        r"^```python\n([^`]*FastAPI\([^`]*)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert len(program.splitlines()) < 30
    monkeypatch.chdir(model.parent)
    names: dict[str, Any] = {"__name__": "service"}
    exec(program, names)
    return names["app"]


def asked() -> pl.DataFrame:
    return rows(30, seed=4).filter(pl.col("place") < 4)


def test_rows_score_as_by_predict(app: FastAPI, model: Path, tmp_path: Path) -> None:
    expected = predicted(model, asked(), tmp_path)
    reply = reply_of(app, "POST", "/score", asked().drop("clicked", "bought").to_dicts())
    assert reply.status_code == 200
    scores = pl.DataFrame(reply.json())
    np.testing.assert_allclose(
        scores.to_numpy(), expected.select(scores.columns).to_numpy(), atol=1e-6
    )


def test_the_service_says_what_a_row_must_have(app: FastAPI) -> None:
    health = reply_of(app, "GET", "/health").json()
    assert health["tasks"] == ["click", "buy"]
    assert {"user", "item", "price"} < set(health["columns"])


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"price": "cheap"}, "price"),
        ({"place": 77}, "77"),
    ],
)
def test_a_wrong_row_is_refused_with_what_is_wrong(
    app: FastAPI, changed: dict[str, object], told: str
) -> None:
    row = {**asked().drop("clicked", "bought").to_dicts()[0], **changed}
    reply = reply_of(app, "POST", "/score", [row])
    assert reply.status_code == 422
    assert told in str(reply.json()["detail"])


def test_no_rows_are_refused_in_words(app: FastAPI) -> None:
    reply = reply_of(app, "POST", "/score", [])
    assert reply.status_code == 422
    assert "is not in the rows" in str(reply.json()["detail"])
