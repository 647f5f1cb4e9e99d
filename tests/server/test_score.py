"""POST /score: the probabilities of every row, or every problem."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from starlette.types import Message

from hinet_search.data.columns import Columns
from hinet_search.server import body as reading
from hinet_search.server.settings import Limits
from hinet_search.serving.requests.document import columns_of
from tests.server.conftest import ADDRESS, GOOD, Asked, Make, body
from tests.server.running import run
from tests.serving.requests.exported import write_export

JSON = {"Content-Type": "application/json"}


def test_every_row_gets_the_probability_of_every_task(server: Asked) -> None:
    rows = [GOOD, {**GOOD, "place": 2}, {**GOOD, "user": None}]
    reply = server.score(*rows)
    model = server.service.current.model
    assert model is not None
    scores = model.score(columns_of({"rows": rows}, model.columns)).predicted_RT
    assert (reply.status_code, reply.json()) == (
        200,
        {
            "model": "shop/shared_bottom",
            "version": model.version,
            "probabilities": {"click": scores[:, 0].tolist(), "buy": scores[:, 1].tolist()},
        },
    )


def test_a_model_with_amounts_replies_with_predictions(make: Make, tmp_path: Path) -> None:
    server = make(write_export(tmp_path / "model", amount_units={"buy": 37.5}))
    reply = server.score(GOOD).json()
    model = server.service.current.model
    assert model is not None
    scores = model.score(columns_of({"rows": [GOOD]}, model.columns)).predicted_RT
    expected = {"click": scores[:, 0].tolist(), "buy": scores[:, 1].tolist()}
    assert reply == {
        "model": "shop/shared_bottom",
        "version": model.version,
        "predictions": expected,
    }


def test_columns_that_the_model_does_not_read_are_ignored(server: Asked) -> None:
    assert server.score({**GOOD, "clicked": "yes"}).json() == server.score(GOOD).json()


def test_rows_that_do_not_fit_get_every_problem(server: Asked) -> None:
    reply = server.score({**GOOD, "user": "x"}, {**GOOD, "place": 9})
    assert reply.status_code == 422
    assert [problem.split(" must")[0] for problem in reply.json()["problems"]] == [
        "column 'user'",
        "column 'place'",
    ]


WRONG = {
    "no JSON": (b"{", 400, "the body must be JSON in UTF-8, but is not: Expecting"),
    "no text": (b"\xff\xfe\xfa", 400, "the body must be JSON in UTF-8, but is not: Unicode"),
    "half a character": (
        b'{"rows": [{"item": "\\ud800"}]}',
        400,
        "the body must be JSON in UTF-8, but is not: UnicodeEncodeError",
    ),
    "half a character in bytes": (
        b'{"rows": [{"item": "\xed\xa0\x80"}]}',
        400,
        "the body must be JSON in UTF-8, but is not: UnicodeDecodeError",
    ),
    "UTF-16": (
        '{"rows": []}'.encode("utf-16-le"),
        400,
        "the body must be JSON in UTF-8, but is not: Expecting",
    ),
    "deep JSON": (b"[" * 100_000, 400, "the body must be JSON in UTF-8, but is not: it is nested"),
    "another document": (b'{"instances": []}', 422, 'a request must be {"rows": '),
    "nothing": (b"", 400, "the body must be JSON in UTF-8, but is not: Expecting value"),
}


@pytest.mark.parametrize(("content", "status", "problem"), WRONG.values(), ids=WRONG)
def test_a_body_that_is_no_request_is_refused(
    content: bytes, status: int, problem: str, server: Asked
) -> None:
    reply = server.ask("/score", "POST", content=content, headers=JSON)
    assert reply.status_code == status
    assert reply.json()["problems"][0].startswith(problem)


@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        ({"Content-Type": "text/plain"}, "Content-Type must be application/json, got 'text/plain'"),
        ({}, "Content-Type must be application/json, got ''"),
        (
            {**JSON, "Content-Encoding": "gzip"},
            "the body must not be compressed, got Content-Encoding 'gzip'",
        ),
    ],
)
def test_another_type_of_content_is_refused(
    headers: dict[str, str], problem: str, server: Asked
) -> None:
    reply = server.ask("/score", "POST", content=body(GOOD), headers=headers)
    assert (reply.status_code, reply.json()["problems"]) == (415, [problem])


def test_too_many_rows_are_refused(make: Make) -> None:
    reply = make(limits=Limits(rows=2)).score(GOOD, GOOD, GOOD)
    assert (reply.status_code, reply.json()["problems"]) == (
        413,
        ["a request must have at most 2 rows, got 3"],
    )


def parts_read(server: Asked, parts: list[bytes], headers: dict[str, str]) -> tuple[int, int]:
    """The status of a request whose body comes in parts, and how many of them were read."""
    num_read = 0
    statuses: list[int] = []

    async def receive() -> Message:
        nonlocal num_read
        num_read += 1
        return {"type": "http.request", "body": parts[num_read - 1], "more_body": True}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    pairs = {"host": "127.0.0.1:8000", "content-type": "application/json", **headers}
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/score",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in pairs.items()],
    }
    run(server.app(scope, receive, send))
    return statuses[0], num_read


def test_a_body_that_says_it_is_too_large_is_not_read(make: Make) -> None:
    server = make(limits=Limits(num_bytes=100))
    assert parts_read(server, [], {"content-length": "101"}) == (413, 0)


def test_a_body_that_is_too_large_is_read_no_further_than_the_limit(make: Make) -> None:
    server = make(limits=Limits(num_bytes=100))
    assert parts_read(server, [b"x" * 60] * 9, {}) == (413, 2)


def test_a_body_that_does_not_arrive_is_given_up(
    server: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BODY_SECONDS", 0.01)

    async def never() -> Any:
        yield b"{"
        await asyncio.sleep(60)

    reply = server.ask("/score", "POST", content=never(), headers=JSON)
    assert reply.status_code == 408


class Waiting:
    """A scorer that waits until it may go on."""

    def __init__(self) -> None:
        self.is_asked, self.may_go_on = Event(), Event()

    def score(self, columns: Columns, scenario: str | None) -> NDArray[np.float32]:
        self.is_asked.set()
        assert self.may_go_on.wait(60)
        return np.full((columns.num_rows, 2), 0.5, dtype=np.float32)


def test_more_requests_than_the_limit_are_asked_to_come_again(make: Make) -> None:
    server = make(limits=Limits(requests=1))
    current, scorer = server.service.current, Waiting()
    assert current.model is not None
    current.model = replace(current.model, scorer=scorer)

    async def three() -> tuple[httpx.Response, ...]:
        transport = httpx.ASGITransport(server.app)
        async with httpx.AsyncClient(transport=transport, base_url=ADDRESS) as client:
            first = asyncio.create_task(client.post("/score", json={"rows": [GOOD]}))
            await asyncio.to_thread(scorer.is_asked.wait, 60)
            second = await client.post("/score", json={"rows": [GOOD]})
            scorer.may_go_on.set()
            done = await first
            return done, second, await client.post("/score", json={"rows": [GOOD]})

    admitted, refused, later = run(three())
    assert later.status_code == 200
    assert admitted.json()["probabilities"] == {"click": [0.5], "buy": [0.5]}
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    assert server.metric('hinet_search_requests_total{outcome="busy"}') == 1


def test_a_refused_request_no_longer_counts_as_running(make: Make) -> None:
    server = make(limits=Limits(requests=1))
    assert [server.score({**GOOD, "place": 9}).status_code for _ in range(3)] == [422] * 3
    assert server.score(GOOD).status_code == 200


class Broken:
    """A scorer with a bug, whose message holds values of the row."""

    def score(self, columns: Columns, scenario: str | None) -> NDArray[np.float32]:
        raise KeyError("user 7 of the row")


def test_a_bug_is_logged_by_its_place_without_the_row(server: Asked) -> None:
    current = server.service.current
    assert current.model is not None
    current.model = replace(current.model, scorer=Broken())
    reply = server.score(GOOD)
    assert reply.status_code == 500
    assert "user 7" not in reply.text + "".join(server.log)
    assert server.log[-1].startswith(
        "a request failed: KeyError in score, serving/requests/served_model.py:"
    )


def test_no_value_of_a_row_is_logged(server: Asked) -> None:
    secret = {**GOOD, "item": "a secret", "user": "a secret"}
    server.score(secret)
    server.ask("/score", "POST", content=b"a secret", headers=JSON)
    assert "secret" not in "".join(server.log)


def test_without_a_model_a_request_is_asked_to_come_again(make: Make) -> None:
    reply = make(load=False).score(GOOD)
    assert (reply.status_code, reply.headers["Retry-After"]) == (503, "1")


def test_what_was_done_is_counted(server: Asked) -> None:
    server.score(GOOD, {**GOOD, "user": 999})
    server.score({**GOOD, "place": 9})
    assert server.metric('hinet_search_requests_total{outcome="scored"}') == 1
    assert server.metric('hinet_search_requests_total{outcome="invalid"}') == 1
    assert server.metric("hinet_search_rows_total") == 2
    assert server.metric('hinet_search_unseen_values_total{column="user"}') == 1
    assert server.metric("hinet_search_request_seconds_count") == 1


def test_counters_of_every_column_are_there_before_the_first_request(server: Asked) -> None:
    assert server.metric('hinet_search_unseen_values_total{column="user"}') == 0
    assert server.metric('hinet_search_far_values_total{column="price"}') == 0


def test_a_reply_is_json_of_plain_numbers(server: Asked) -> None:
    text = server.score(GOOD).text
    (probability,) = json.loads(text)["probabilities"]["click"]
    assert 0 < probability < 1


def test_a_task_that_the_scenario_of_a_row_does_not_have_is_null(
    make: Make, tmp_path: Path
) -> None:
    server = make(write_export(tmp_path / "model", absent_cells=(("Push", "buy"),)))
    reply = server.score(GOOD, {**GOOD, "place": 2})
    click, buy = reply.json()["probabilities"].values()
    assert [value is None for value in click + buy] == [False, False, False, True]
