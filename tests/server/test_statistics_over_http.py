"""Statistics over HTTP: rows that are scored and then come as events score as those of one table."""

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from hinet_search.common.crash_points import EXIT_CODE, VARIABLE
from hinet_search.server.app import Service
from hinet_search.server.current_model import CurrentModel
from hinet_search.server.metrics import Metrics
from hinet_search.server.settings import Limits, Listening
from hinet_search.serving.live.journal import Journal
from tests.forked import typed
from tests.server.conftest import Asked
from tests.server.test_process import free_port, ready
from tests.serving.day_shop import DAY, Served, event, launched, newer, numbers_of_one_table
from tests.serving.shop import predicted
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return launched(tmp_path_factory.mktemp("shop"), "alone")


@pytest.fixture
def asked(model: Path, tmp_path: Path) -> Iterator[Asked]:
    log: list[str] = []
    metrics = Metrics()
    with closing(Journal(tmp_path / "state")) as journal, ThreadPoolExecutor(2) as pool:
        current = CurrentModel(model, metrics, log.append, tmp_path / "state", journal)
        current.load()
        yield Asked(Service(current, metrics, pool, Listening(), Limits(), log.append), log)
        current.finish()


def send(asked: Asked, *events: dict[str, Any]) -> dict[str, Any]:
    reply = asked.ask("/events", "POST", json={"events": list(events)})
    assert reply.status_code == 200, reply.text
    told: dict[str, Any] = reply.json()
    return told


def test_rows_that_are_scored_and_then_sent_score_as_those_of_one_table(
    asked: Asked, model: Path, tmp_path: Path
) -> None:
    rows = newer()
    expected = predicted(model, rows, tmp_path, state=tmp_path / "rolled")
    stale = predicted(model, rows, tmp_path)
    assert (expected["click"] - stale["click"]).abs().max() > 1e-3
    served = asked.service.current.model
    assert served is not None
    for number, row in enumerate(rows.select(served.columns).iter_rows(named=True)):
        (score,) = asked.score(row).json()["probabilities"]["click"]
        assert_allclose(score, expected["click"][number], rtol=0, atol=1e-6, err_msg=str(number))
        assert send(asked, event(number))["added"] == 1


def test_the_age_and_the_size_of_the_state_are_told(asked: Asked, model: Path) -> None:
    assert asked.ask("/model").json()["counted_to"] == str(10 * DAY)
    assert asked.metric("hinet_search_last_event_time") == 9  # the days are numbered from 0
    empty = asked.metric("hinet_search_state_bytes")
    told = send(asked, *(event(number) for number in range(len(newer()))))
    assert told == {"added": len(newer()), "labelled": 0, "again": 0, "late": 0, "last": 13}
    assert asked.metric("hinet_search_last_event_time") == 13
    assert asked.ask("/model").json()["counted_to"] == str(14 * DAY)
    wait_until(lambda: f"wrote the state up to {14 * DAY} in" in "".join(asked.log))
    assert asked.metric("hinet_search_state_bytes") > empty + 10_000


def test_a_server_that_ends_anywhere_keeps_the_labels_that_it_has_answered(
    model: Path, tmp_path: Path
) -> None:
    expected = numbers_of_one_table(model, tmp_path)
    first = int((newer()["second"] < 12 * DAY).sum())  # of the third day
    done = 0
    ends = ("before_file_renamed:1", "before_file_renamed:1", "")  # of the first state; killed
    for end in ends:
        port = free_port()
        words = ("serve", str(model), "--state", "state", "--events", "--port", str(port))
        process = typed(tmp_path, *words, "--threads", "1", **{VARIABLE: end})
        try:
            wait_until(lambda port=port: ready(port), process.said.read_text)
            while process.poll() is None and done < (first if end else first - 1):
                with suppress(httpx.TransportError):  # it has ended
                    events = {"events": [event(done)]}
                    reply = httpx.post(f"http://127.0.0.1:{port}/events", json=events, timeout=60)
                    assert reply.status_code == 200, reply.text
                    done += 1
        finally:
            process.send_signal(signal.SIGKILL)
        assert process.wait(60) == (EXIT_CODE if end else -signal.SIGKILL)
    with closing(Served(model, tmp_path / "state")) as served:
        assert served.add(*(event(number) for number in range(done))).again == done
        served.add(*(event(number) for number in range(done, first)))
        assert_array_equal(served.number(first), expected[first])
