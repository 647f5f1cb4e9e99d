"""Events over HTTP: added, told, counted in metrics; a killed server loses none of those answered."""

import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from numpy.testing import assert_array_equal

import hinet_search as hs
from hinet_search.common.errors import ConfigurationError
from hinet_search.server.app import Service
from hinet_search.server.current_model import CurrentModel
from hinet_search.server.metrics import Metrics
from hinet_search.server.run import ServerOptions, serve
from hinet_search.server.settings import Limits, Listening
from hinet_search.serving.live import live_log
from hinet_search.serving.live.journal import Journal
from tests.forked import typed
from tests.server.conftest import Asked
from tests.server.test_process import free_port, ready
from tests.serving.log_shop import STUDY, inputs_of_the_log, launched, newer, opened, seen
from tests.waiting import wait_until

COLUMNS = ("user", "item", "minute", "place", "clicked", "bought")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return launched(tmp_path_factory.mktemp("events"), STUDY, ["all"]).folder / "all"


def event(number: int) -> dict[str, Any]:
    row = newer().row(number, named=True)
    return {"id": f"row {number}", **{name: row[name] for name in COLUMNS}}


def served(model: Path, state: Path, journal: Journal | None, pool: ThreadPoolExecutor) -> Asked:
    log: list[str] = []
    metrics = Metrics()
    current = CurrentModel(model, metrics, log.append, state, journal)
    current.load()
    return Asked(Service(current, metrics, pool, Listening(), Limits(), log.append), log)


def send(asked: Asked, *events: dict[str, Any]) -> httpx.Response:
    return asked.ask("/events", "POST", json={"events": list(events)})


def row(number: int) -> dict[str, Any]:
    """A newer row as a request to score has it."""
    columns = ("user", "item", "minute", "place", "price", "age")
    return {name: newer().row(number, named=True)[name] for name in columns}


def test_events_change_the_next_scores_and_are_told(model: Path, tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "state")) as journal, ThreadPoolExecutor(2) as pool:
        asked = served(model, tmp_path / "state", journal, pool)
        later = [row(number) for number in range(40, 80)]
        before = asked.score(*later).json()["probabilities"]
        reply = send(asked, *(event(number) for number in range(40)))
        last = newer()["minute"][39]
        assert reply.json() == {"added": 40, "labelled": 0, "again": 0, "late": 0, "last": last}
        assert asked.score(*later).json()["probabilities"] != before
        assert send(asked, event(3)).json()["again"] == 1
        assert asked.metric('hinet_search_events_total{outcome="added"}') == 40
        assert asked.metric('hinet_search_events_total{outcome="again"}') == 1
        assert asked.metric('hinet_search_requests_total{outcome="taken"}') == 2
        assert asked.metric("hinet_search_last_event_time") == last
        assert asked.ask("/model").json()["counted_to"] == f"minute {last}"


def test_wrong_events_are_refused(model: Path, tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "state")) as journal, ThreadPoolExecutor(2) as pool:
        asked = served(model, tmp_path / "state", journal, pool)
        reply = send(asked, {**event(0), "place": 77})
        assert reply.status_code == 422
        assert "column 'place' must hold scenarios of the model" in reply.json()["problems"][0]
        assert asked.ask("/events", "POST", json={"rows": []}).status_code == 422
        assert asked.ask("/events", "POST", content=b"{").status_code == 415
        many = [event(0)] * 10_001
        assert send(asked, *many).status_code == 413
        assert journal.last == 0


def test_a_model_that_reads_no_log_is_refused_before_a_folder_for_events_is_made(
    model: Path, tmp_path: Path
) -> None:
    study, out = model.parent / "shop.yaml", model.parent / "out"
    hs.export(str(study), tmp_path / "raw", arm="raw", output=out)
    options = ServerOptions(
        tmp_path / "raw",
        Listening(port=free_port()),
        Limits(),
        1,
        state=tmp_path / "s",
        events=True,
    )
    with pytest.raises(
        ConfigurationError, match="must have events, sessions, sequences, or label statistics"
    ):
        serve(options, print)
    assert not (tmp_path / "s").exists()


def test_a_server_without_events_says_how_to_take_them(model: Path, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        asked = served(model, tmp_path / "state", None, pool)
        reply = send(asked, event(0))
        assert reply.status_code == 422
        assert "--state FOLDER --events" in reply.json()["remedy"]


def test_a_journal_that_is_gone_or_damaged_is_told_to_the_log_and_not_to_the_client(
    model: Path, tmp_path: Path
) -> None:
    with closing(Journal(tmp_path / "state")) as journal, ThreadPoolExecutor(2) as pool:
        asked = served(model, tmp_path / "state", journal, pool)
        assert send(asked, event(0)).status_code == 200
        journal._database.execute("update events set number = 'many'")
        damaged = send(asked, event(0))
        journal.path.unlink()
        gone = send(asked, event(1))
        for reply, reason in ((damaged, "is damaged"), (gone, "was deleted")):
            assert reply.status_code == 503
            assert reply.headers["Retry-After"]
            assert str(tmp_path) not in reply.text
            assert reason in "".join(asked.log)


def test_the_state_is_written_now_and_then_and_a_reload_goes_on(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_log, "FOLD_CHANGES", 30)
    with closing(Journal(tmp_path / "state")) as journal, ThreadPoolExecutor(2) as pool:
        asked = served(model, tmp_path / "state", journal, pool)
        for number in range(40):
            send(asked, event(number))
        wait_until(lambda: "wrote the state up to" in "".join(asked.log))
        with_fold = asked.score(row(40)).json()["probabilities"]
        asked.service.current.reload()
        assert asked.score(row(40)).json()["probabilities"] == with_fold
        assert send(asked, event(39)).json()["again"] == 1


def test_a_server_that_stops_waits_for_the_state_and_writes_none_afterwards(
    model: Path, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(2) as pool:
        journal = Journal(tmp_path / "state")
        asked = served(model, tmp_path / "state", journal, pool)
        send(asked, event(0))
        asked.service.current.finish()
        journal.close()
        asked.service.current.fold()
        assert "could not be written" not in "".join(asked.log)


def test_a_killed_server_keeps_what_it_has_answered(model: Path, tmp_path: Path) -> None:
    expected = inputs_of_the_log(model.parent / "shop.yaml", tmp_path)
    done = 0
    for delay in (1, 17, 40):
        port = free_port()
        words = ("serve", str(model), "--state", "state", "--events", "--port", str(port))
        process = typed(tmp_path, *words, "--threads", "1")
        try:
            wait_until(lambda port=port: ready(port), process.said.read_text)
            for number in range(max(done - 2, 0), done + delay):  # the last ones once more
                reply = httpx.post(
                    f"http://127.0.0.1:{port}/events", json={"events": [event(number)]}, timeout=60
                )
                assert reply.status_code == 200, reply.text
            done += delay
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(60)
    with closing(Journal(tmp_path / "state")) as journal:
        live = opened(model, journal)
        assert_array_equal(seen(live, newer()[done : done + 1])[0], expected[done])
