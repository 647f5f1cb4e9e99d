"""A live page in a browser: it follows its study unless hidden, and keeps its reader's state."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from optuna.trial import TrialState
from playwright.sync_api import Browser, Page, expect

from hinet_search.results.records import ArmRecord
from hinet_search.storage.engine import connect
from hinet_search.storage.store import StudyStore
from tests.dashboard.served import running_study, served
from tests.report.studies import INJECTION
from tests.storage.small_study import RANGE, run_trial, study_row

pytestmark = pytest.mark.browser

PERIOD = 10_000
HIDDEN = """hidden => {
  Object.defineProperty(document, 'hidden', {configurable: true, get: () => hidden});
  document.dispatchEvent(new Event('visibilitychange'));
}"""


@dataclass
class Live:
    """A page of the study of `store`, with a clock that the test moves."""

    page: Page
    store: StudyStore
    address: str
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def after_a_period(self) -> None:
        """Let ten seconds pass and wait for the responses to the page's requests."""
        with self.page.expect_response(self.page.url.split("#")[0]):
            self.page.clock.run_for(PERIOD)


@pytest.fixture
def live(chromium: Browser, tmp_path: Path) -> Iterator[Live]:
    store = running_study(tmp_path)
    run_trial(store, "hinet", TrialState.COMPLETE, 0.70)
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    page.clock.install()
    with served(store) as port:
        live = Live(page, store, f"http://127.0.0.1:{port}")
        page.on("request", lambda request: live.asked.append(request.url))
        page.on("console", lambda message: live.complaints.append(message.text))
        page.on("pageerror", lambda error: live.complaints.append(str(error)))
        page.goto(f"{live.address}/study/small")
        yield live
        page.close()


def test_progress_and_best_follow_the_study_without_a_reload(live: Live) -> None:
    expect(live.page.locator("#progress h2")).to_contain_text("9 trials to go")
    live.page.evaluate("window.loadedOnce = true")
    run_trial(live.store, "hinet", TrialState.COMPLETE, 0.75)
    run_trial(live.store, "single", TrialState.FAIL, cause="out of memory")
    live.after_a_period()
    expect(live.page.locator("#progress h2")).to_contain_text("7 trials to go")
    expect(live.page.locator("#progress .me td").nth(2)).to_have_text("0.7500")
    expect(live.page.locator("#progress")).to_contain_text("out of memory")
    assert live.page.evaluate("window.loadedOnce")
    assert live.complaints == []


def test_a_page_sends_requests_to_its_own_study_alone(live: Live) -> None:
    live.after_a_period()
    live.after_a_period()
    assert set(live.asked) == {f"{live.address}/study/small"}
    assert len(live.asked) == 3


def test_a_hidden_page_asks_for_nothing_and_asks_at_once_when_it_is_seen_again(live: Live) -> None:
    live.page.evaluate(HIDDEN, True)
    live.page.clock.run_for(10 * PERIOD)
    assert len(live.asked) == 1
    run_trial(live.store, "hinet", TrialState.COMPLETE, 0.75)
    live.page.evaluate(HIDDEN, False)
    live.page.clock.run_for(1)
    expect(live.page.locator("#progress h2")).to_contain_text("8 trials to go")


def test_when_the_study_is_done_ribbon_and_progress_are_gone(live: Live) -> None:
    live.store.set_state("done", seconds=12.5)
    live.after_a_period()
    expect(live.page.locator("#progress")).to_have_count(0)
    expect(live.page.locator("#ribbon")).to_be_hidden()


def test_a_lost_dashboard_is_reported_and_found_again(live: Live) -> None:
    away = live.page.locator("#away")
    expect(away).to_be_hidden()
    live.page.route("**/study/small", lambda route: route.abort())
    live.page.clock.run_for(PERIOD)
    expect(away).to_contain_text("Not updated since")
    live.page.unroute("**/study/small")
    live.page.clock.run_for(PERIOD)
    expect(away).to_be_hidden()


def test_what_a_reader_opened_and_sorted_stays_when_the_part_is_renewed(live: Live) -> None:
    for value in (0.71, 0.72):
        run_trial(live.store, "single", TrialState.COMPLETE, value)
    live.after_a_period()
    expect(live.page.locator("#progress h2")).to_contain_text("7 trials to go")
    live.page.locator("#top-trials summary").first.click()
    second = live.page.locator("#top-trials details").nth(1)
    second.locator("summary").click()
    second.locator("th button").first.click()
    run_trial(live.store, "single", TrialState.COMPLETE, 0.73)
    live.after_a_period()
    expect(live.page.locator("#progress h2")).to_contain_text("6 trials to go")
    assert live.page.locator("#top-trials").evaluate("e => e.open")
    assert second.evaluate("e => e.open")
    assert not live.page.locator("#ranges").evaluate("e => e.open")
    expect(second.locator("th").first).to_have_attribute("aria-sort", "descending")
    expect(second.locator("tbody tr").first.locator("th")).to_have_text("2")


def test_a_part_that_did_not_change_stays_the_same_element(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = live.store.load_study()
    assert study is not None
    # The card Reproduce has the minute of the last change, which must not turn during the test.
    monkeypatch.setattr("hinet_search.storage.store.utc_now", lambda: study.updated)
    live.page.evaluate(
        "document.getElementById('reproduce').mine = document.getElementById('progress').mine = true"
    )
    run_trial(live.store, "hinet", TrialState.COMPLETE, 0.75)
    live.after_a_period()
    expect(live.page.locator("#progress h2")).to_contain_text("8 trials to go")
    assert live.page.evaluate("document.getElementById('reproduce').mine")
    assert not live.page.evaluate("document.getElementById('progress').mine")


@pytest.mark.parametrize("width", [390, 1280])
def test_no_live_page_scrolls_sideways(live: Live, width: int) -> None:
    live.page.set_viewport_size({"width": width, "height": 900})
    running_study(Path(str(live.store.database.engine.url.database)).parent, "a" * 64)
    for path in ("/", "/study/small"):
        live.page.goto(f"{live.address}{path}")
        assert live.page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_script_in_names_does_not_run_at_first_nor_when_the_page_is_renewed(live: Live) -> None:
    database = connect(str(live.store.database.engine.url.database), create=True)
    store = StudyStore(database, INJECTION)
    row = replace(
        study_row(INJECTION), description=INJECTION, command=INJECTION, study_yaml=INJECTION
    )
    ranges = (replace(RANGE, when=INJECTION),)
    store.create_study(
        row, tuple(ArmRecord(name, name, ranges, {}, (), (), {}) for name in ("hinet", INJECTION))
    )
    run_trial(store, INJECTION, TrialState.COMPLETE, 0.7)
    live.page.goto(f"{live.address}/")
    live.page.get_by_role("link", name="window.P=1").click()
    live.page.locator("#progress").wait_for()
    run_trial(store, INJECTION, TrialState.FAIL, 0.6, cause=INJECTION)
    live.after_a_period()
    expect(live.page.locator("#progress h2")).to_contain_text("8 trials to go")
    assert live.page.evaluate("typeof window.P") == "undefined"
    assert not [url for url in live.asked if not url.startswith(live.address)]
    assert live.complaints == []


def test_markup_that_is_smuggled_into_a_live_page_runs_no_script(live: Live) -> None:
    live.page.evaluate(
        "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=window.P=1>')"
    )
    live.page.evaluate(
        "(s => { s.textContent = 'window.P=1'; document.body.append(s) })(document.createElement('script'))"
    )
    assert live.page.evaluate("typeof window.P") == "undefined"
    assert len(live.complaints) >= 2
