"""The live pages over HTTP: the response of each path, its headers, and how often it is rendered."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import ANY
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest
from optuna.trial import TrialState
from sqlalchemy import update

from hinet_search.common.errors import ConfigurationError
from hinet_search.dashboard import live_pages
from hinet_search.dashboard.access import Access
from hinet_search.dashboard.faults import with_words
from hinet_search.dashboard.live_pages import POLICY, Pages, page_of, with_live_pages
from hinet_search.dashboard.server import make_server
from hinet_search.results.study_record import StudyRecord
from hinet_search.storage.engine import connect
from hinet_search.storage.store import StudyStore
from hinet_search.storage.tables import study
from tests.dashboard.served import fall_silent, running_study
from tests.report.nine_arms import SHAPE, nine_arms
from tests.storage.small_study import evaluation, run_trial, small_study


def others(_: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
    """Stand for the application behind the live pages."""
    start("299 Others", [])
    return [b""]


class Client:
    """A client that calls an application without a server."""

    def __init__(self, store: StudyStore) -> None:
        pages = with_live_pages(store.database, others)
        self._application = with_words(store.database, pages, print)
        self.status = ""
        self.headers: dict[str, str] = {}

    def ask(self, path: str, method: str = "GET", version: str = "") -> str:
        """Return the body as text; status and headers are kept in fields."""
        environment = {"PATH_INFO": path, "REQUEST_METHOD": method, "HTTP_IF_NONE_MATCH": version}

        def start(status: str, headers: list[tuple[str, str]], *_: object) -> None:
            self.status, self.headers = status, dict(headers)

        parts: Iterable[bytes] = self._application(environment, start)
        return b"".join(part for part in parts if part).decode()


@pytest.fixture
def store(tmp_path: Path) -> StudyStore:
    return running_study(tmp_path)


@pytest.fixture
def client(store: StudyStore) -> Client:
    return Client(store)


def test_the_only_study_is_the_first_page(client: Client) -> None:
    client.ask("/")
    assert (client.status, client.headers["Location"]) == ("302 Found", "/study/small")


def test_several_studies_are_listed_with_state_trials_and_best_value(
    client: Client, store: StudyStore
) -> None:
    small_study(str(store.database.engine.url.database), "other")
    page = client.ask("/")
    assert client.status == "200 OK"
    assert "<h1>2 studies</h1>" in page
    assert '<a href="/study/small">' in page
    assert '<a href="/study/other">' in page
    assert "5 of 10" in page
    assert "0.7500" in page


def test_a_database_without_a_study_says_what_to_do(tmp_path: Path) -> None:
    page = Client(StudyStore(connect(str(tmp_path / "h.db"), create=True), "none")).ask("/")
    assert "No studies yet" in page
    assert "hinet-search launch quickstart" in page


def test_a_study_that_runs_has_its_cards_a_ribbon_and_its_progress(
    client: Client, store: StudyStore
) -> None:
    run_trial(store, "hinet", TrialState.COMPLETE, 0.7)
    run_trial(store, "hinet", TrialState.FAIL, cause="out of memory at batch 8192")
    page = client.ask("/study/small")
    assert "Preliminary: the study is running, numbers may still change" in page
    assert "8 trials to go" in page
    assert "out of memory at batch 8192" in page
    assert page.index('id="progress"') < page.index('id="budget-curves"') < page.index('id="trust"')


def test_an_arm_leads_to_its_page_in_optunas_dashboard(client: Client, store: StudyStore) -> None:
    run_trial(store, "single", TrialState.COMPLETE, 0.7)
    assert '<a href="/dashboard/studies/1">Single</a>' in client.ask("/study/small")


def test_a_done_study_has_neither_ribbon_nor_progress_and_still_leads_to_optuna(
    tmp_path: Path,
) -> None:
    database = small_study(tmp_path / "h.db")
    page = Client(StudyStore(database, "small")).ask("/study/small")
    assert 'id="progress"' not in page
    assert 'id="ribbon" hidden' in page
    assert '<a href="/dashboard/studies/1">hinet</a>' in page


def test_an_unknown_study_is_not_found_and_the_nearest_is_named(client: Client) -> None:
    answer = client.ask("/study/smal")
    assert client.status == "404 Not Found"
    assert "did you mean 'small'" in answer


def test_other_addresses_are_of_others(client: Client) -> None:
    for path in ("/dashboard", "/api/studies", "/studies", "/static/bundle.js"):
        client.ask(path)
        assert client.status == "299 Others"


def test_a_page_that_did_not_change_is_not_sent_again(client: Client, store: StudyStore) -> None:
    client.ask("/study/small")
    version = client.headers["ETag"]
    assert client.ask("/study/small", version=version) == ""
    assert client.status == "304 Not Modified"
    run_trial(store, "hinet", TrialState.COMPLETE, 0.7)
    assert client.ask("/study/small", version=version) != ""
    assert client.status == "200 OK"


def test_the_heads_of_a_page_come_without_it(client: Client) -> None:
    assert client.ask("/study/small", "HEAD") == ""
    assert (client.status, client.headers["Content-Length"]) == ("200 OK", ANY)


def test_a_page_runs_its_own_scripts_only_and_sends_requests_to_no_other_host(
    client: Client,
) -> None:
    for path in ("/", "/study/small"):
        client.ask(path)
    assert client.headers["Content-Security-Policy"] == POLICY
    assert "'unsafe-inline'" not in POLICY.split("script-src")[1].split(";")[0]
    assert {"default-src 'none'", "connect-src 'self'"} <= {
        part.strip() for part in POLICY.split(";")
    }


def test_a_page_has_no_policy_in_its_text_that_would_forbid_renewing_it(client: Client) -> None:
    assert "Content-Security-Policy" not in client.ask("/study/small")


def test_a_coordinator_without_heartbeats_is_reported(client: Client, store: StudyStore) -> None:
    run_trial(store, "hinet", TrialState.COMPLETE, 0.7)
    assert "silent" not in client.ask("/study/small")
    fall_silent(store, 250)
    assert "the study is interrupted, no heartbeat for 4 min, last trial 20" in client.ask(
        "/study/small"
    )
    fall_silent(store, 7200)
    assert "no heartbeat for 2 h" in client.ask("/study/small")


class Moments:
    """A clock that only a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of studies whose page was rendered, in order."""
    rendered: list[str] = []

    def noted(record: StudyRecord, *known: Any) -> str:
        rendered.append(record.name)
        return page_of(record, *known)

    monkeypatch.setattr(live_pages, "page_of", noted)
    return rendered


def test_an_unchanged_study_is_loaded_once_more_after_a_second_and_then_not_again(
    store: StudyStore, made: list[str]
) -> None:
    clock = Moments()
    pages = Pages(store.database, clock)
    counted = []
    for clock.now in (0.0, 0.5, 1.5, 10.0, 100.0):
        pages.study("small")
        counted.append(len(made))
    assert counted == [1, 1, 2, 2, 2]


def test_what_happens_within_the_second_of_a_page_is_seen_on_the_next(store: StudyStore) -> None:
    clock = Moments()
    pages = Pages(store.database, clock)
    before = pages.study("small")
    with store.database.writing() as connection:
        connection.execute(update(study).values(description="something new"))
    clock.now = 10.0
    assert "something new" not in before
    assert "something new" in pages.study("small")


@pytest.mark.parametrize(("seconds", "period"), [(0.9, 10), (1.2, 20), (3.0, 30)])
def test_making_pages_takes_at_most_a_tenth_of_a_core(
    store: StudyStore, monkeypatch: pytest.MonkeyPatch, seconds: float, period: int
) -> None:
    clock, made = Moments(), []

    def slow(record: StudyRecord, *_: object) -> str:
        made.append(clock.now)
        clock.now += seconds
        return record.name

    monkeypatch.setattr(live_pages, "page_of", slow)
    pages = Pages(store.database, clock)
    for second in range(0, 100, 10):
        clock.now = max(clock.now, float(second))
        store.record_evaluation("hinet", 0, 1, evaluation(second + 1))
        pages.study("small")
    assert made == list(range(0, 100, period))


def test_a_database_that_is_away_is_reported_as_such(client: Client, store: StudyStore) -> None:
    file = Path(str(store.database.engine.url.database))
    store.database.close()
    file.write_bytes(b"no database")
    for beside in file.parent.glob("h.db-*"):
        beside.unlink()
    assert "is not usable" in client.ask("/study/small")
    assert client.status == "503 Service Unavailable"


def test_a_dashboard_of_an_unknown_study_is_refused(store: StudyStore) -> None:
    with pytest.raises(ConfigurationError, match="study 'smal' is not in this database"):
        make_server(str(store.database.engine.url.database), Access(port=0), "smal")


@pytest.mark.parametrize("state", ["running", "done"])
def test_at_ten_thousand_trials_a_page_has_at_most_300_kilobytes(state: str) -> None:
    record = replace(nine_arms(replace(SHAPE, trials=1_112)), state=state)
    assert sum(len(arm.trials) for arm in record.arms) > 10_000
    numbers = {arm.name: number for number, arm in enumerate(record.arms, start=1)}
    assert len(page_of(record, 3.0, numbers).encode()) <= 300_000
