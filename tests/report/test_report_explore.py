"""The Explore card: drawn on a click without requests, errors or `eval`; many trials in bins."""

import csv
import gzip
import hashlib
import io
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from hinet_search.report import explore
from hinet_search.report.page import render
from hinet_search.report.text.untrusted import plain_cell
from hinet_search.results.records import TrialRecord
from hinet_search.results.study_record import StudyRecord
from tests.report.arms import Shape
from tests.report.conftest import Open
from tests.report.nine_arms import nine_arms
from tests.report.studies import empty, hostile, small, study

KINDS = {  # of the traces of three arms
    "optimization_history": ["scatter"] * 6,
    "param_importances": ["bar"] * 3,
    "slice": ["scatter"] * 3,
    "size_trade_off": ["scatter"] * 4,
    "timeline": ["bar"] * 4,
}
BEGUN = datetime(2026, 11, 14, 11, tzinfo=UTC)
UPSTREAM = "79542150855a52c567260e3137095dbe2b744e6d702a5cabe67da246942fba7a"  # plotly.js-cartesian-dist-min 4.1.1 of npm


def timed(record: StudyRecord) -> StudyRecord:
    """Return the record with trials that started nine minutes apart and took five."""
    arms = tuple(replace(arm, trials=tuple(map(_timed, arm.trials))) for arm in record.arms)
    return replace(record, arms=arms)


def _timed(trial: TrialRecord) -> TrialRecord:
    begun = BEGUN + timedelta(minutes=9 * trial.number)
    return replace(
        trial, started=begun.isoformat(), finished=(begun + timedelta(minutes=5)).isoformat()
    )


def drawn(page: Page) -> Page:
    page.click("#draw")
    page.locator("#draw").wait_for(state="hidden")
    assert page.locator("#explore-figures .main-svg").count() >= 10
    return page


def kinds(page: Page, figure: str) -> list[str]:
    types: list[str] = page.evaluate(
        f"document.getElementById('explore-{figure}').data.map(trace => trace.type)"
    )
    return types


def test_the_bundle_is_the_published_one() -> None:
    packed = (Path(explore.__file__).parent / explore.BUNDLE).read_bytes()
    assert hashlib.sha256(gzip.decompress(packed)).hexdigest() == UPSTREAM


def test_plotly_and_its_licence_are_in_the_page_once_and_ask_for_no_eval() -> None:
    html = render(study(), explore=True)
    assert re.findall(r'<script type="application/gzip" id="(\w+)">', html) == [
        "record",
        "tables",
        "plotly",
        "drawing",
        "figures",
    ]
    bundle = gzip.decompress((Path(explore.__file__).parent / explore.BUNDLE).read_bytes()).decode()
    assert "Licensed under the MIT license" in bundle[:200]
    assert not re.search(r"new Function\(|\beval\(", bundle)


@pytest.mark.parametrize(("trials", "most"), [(420, 0.9e6), (10_000, 1.5e6)])
def test_with_explore_the_page_stays_small(trials: int, most: float) -> None:
    assert len(render(timed(study(Shape(trials=trials // 7 + 1))), explore=True).encode()) < most


def test_explore_stands_behind_the_search_and_before_trust() -> None:
    html = render(study(), explore=True)
    assert html.index('id="top-trials"') < html.index('id="explore"') < html.index('id="trust"')


def test_without_a_finished_trial_explore_says_what_it_needs_and_has_no_plotly() -> None:
    html = render(empty(), explore=True)
    assert (
        '<b id="explore">Explore</b>, <b id="history">History</b>, <b id="top-trials">Top trials</b>: needs a finished trial'
        in html
    )
    assert 'id="plotly"' not in html


def test_without_explore_the_page_has_neither_card_nor_plotly() -> None:
    html = render(study())
    assert 'id="explore"' not in html
    assert 'id="plotly"' not in html


@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("record", [timed(nine_arms()), hostile()], ids=["nine arms", "hostile"])
def test_a_click_draws_all_figures_without_a_request_or_a_complaint(
    open_page: Open, record: StudyRecord, *, dark: bool
) -> None:
    opened = open_page(render(record, explore=True), dark=dark)
    assert opened.page.locator(".main-svg").count() == 0
    page = drawn(opened.page)
    assert "scatter" in kinds(page, "optimization_history")
    assert (opened.requests, opened.complaints) == ([page.url], [])
    assert page.evaluate("typeof window.P") == "undefined"
    assert page.evaluate("document.querySelectorAll('#explore-figures a').length") == 0


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_the_drawn_figures_fit_the_page_and_are_described_in_words(
    open_page: Open, width: int
) -> None:
    page = drawn(open_page(render(timed(nine_arms()), explore=True), width=width).page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    captions = page.evaluate(
        "[...document.querySelectorAll('#explore-figures [role=img]')].map(e => e.getAttribute('aria-label'))"
    )
    below = page.locator("#explore-figures .note").all_text_contents()
    assert len(below) == len(KINDS)
    assert captions == below
    assert all(len(sentence) > 20 for sentence in captions)


@pytest.mark.browser
def test_a_menu_draws_the_values_of_another_setting(open_page: Open) -> None:
    page = drawn(open_page(render(timed(nine_arms()), explore=True)).page)
    axis = "(({title, type}) => [title.text, type])(document.getElementById('explore-slice').layout.xaxis)"
    assert page.evaluate(axis) == ["train.learning_rate", "log"]
    choose = "(box => Plotly.update(box, ...box.layout.updatemenus[0].buttons.find(button => button.label === 'model.san.enabled').args))(document.getElementById('explore-slice'))"
    page.evaluate(choose)
    assert page.evaluate(axis) == ["model.san.enabled", "category"]
    assert set(
        page.evaluate(
            "document.getElementById('explore-slice').data.find(arm => arm.name === 'HiNet').x"
        )
    ) == {
        "false",
        "true",
    }


@pytest.mark.browser
def test_the_button_that_turns_the_page_dark_turns_the_figures(open_page: Open) -> None:
    page = drawn(open_page(render(timed(small()), explore=True)).page)
    colour = "document.getElementById('explore-optimization_history').layout.font.color"
    assert page.evaluate(colour) == "#191d21"
    page.click("#theme")
    page.wait_for_function(f"{colour} === '#e7ebef'", timeout=20_000)


@pytest.mark.browser
def test_many_trials_are_drawn_with_few_elements(open_page: Open) -> None:
    record = timed(study(Shape(arms=("ple", "hinet"), trials=3_000)))
    page = drawn(open_page(render(record, explore=True)).page)
    figures = ("optimization_history", "size_trade_off")
    assert [kinds(page, figure)[0] for figure in figures] == ["heatmap"] * 2
    assert page.evaluate("document.querySelectorAll('#explore-figures *').length") < 5_000


@pytest.mark.browser
def test_without_javascript_the_card_says_that_it_needs_it(chromium: Browser) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.set_content(render(small(), explore=True))
    assert page.get_by_text("These figures need JavaScript.").is_visible()
    assert not page.locator("#draw").is_visible()
    context.close()


@pytest.mark.browser
def test_numbers_of_axes_are_written_as_those_of_the_page_are_also_after_a_zoom(
    open_page: Open,
) -> None:
    page = drawn(open_page(render(timed(nine_arms()), explore=True)).page)
    ticks = "[...document.querySelectorAll('#explore-optimization_history .ytick text')].map(t => t.textContent)"
    assert all(re.fullmatch(r"\.\d+", tick) for tick in page.evaluate(ticks))
    page.evaluate("Plotly.relayout('explore-optimization_history', {'yaxis.range': [-0.5, 0.5]})")
    assert page.evaluate(ticks) == ["−.4", "−.2", "0", ".2", ".4"]


@pytest.mark.browser
def test_each_of_the_five_figures_shows_what_it_is_called_for(open_page: Open) -> None:
    page = drawn(open_page(render(timed(small()), explore=True)).page)
    assert {figure: kinds(page, figure) for figure in KINDS} == KINDS


def test_a_figure_without_data_says_what_it_needs() -> None:
    html = render(nine_arms(), explore=True)
    assert "<h3>How trials ended over time</h3>" in html
    assert "Needs trials whose ends were recorded." in html
    assert 'id="explore-timeline"' not in html


def test_an_error_of_one_figure_is_the_text_of_its_place_and_loses_no_report() -> None:
    record = timed(small())
    (arm, *others) = record.arms
    spoilt = replace(arm.trials[0], value=float("nan"))
    arms = (replace(arm, trials=(spoilt, *arm.trials[1:])), *others)
    html = render(replace(record, arms=arms), explore=True)
    assert "<h3>Search history</h3><p class=note>Not drawn: ValueError: Out of range" in html
    assert 'id="explore-optimization_history"' not in html
    assert "id=explore-timeline" in html


def test_an_importance_that_is_no_number_is_left_out() -> None:
    record = small()
    shares = {"train.learning_rate": 0.4, "train.batch_size": float("nan")}
    arms = (replace(record.arms[0], importances=shares), *record.arms[1:])
    html = render(timed(replace(record, arms=arms)), explore=True)
    assert "id=explore-param_importances" in html


@pytest.mark.browser
def test_what_cannot_be_drawn_is_said_on_the_button(open_page: Open) -> None:
    html = render(small(), explore=True).replace('id="plotly">', 'id="plotly">AAAA')
    page = open_page(html).page
    page.click("#draw")
    page.get_by_text("Not drawn:").wait_for()


@pytest.mark.browser
def test_the_trials_are_downloaded_as_csv_without_a_formula(
    open_page: Open, tmp_path: Path
) -> None:
    record = hostile()
    formula = TrialRecord(
        7, "failed", None, {"x": '=1+"1"', "y": -0.5}, False, "-cmd, |' /C", (), None
    )
    arms = (replace(record.arms[0], trials=(*record.arms[0].trials, formula)), *record.arms[1:])
    page = open_page(render(replace(record, name="odd", arms=arms))).page
    with page.expect_download() as waiting:
        page.click("#csv")
    path = tmp_path / "trials.csv"
    waiting.value.save_as(path)
    assert waiting.value.suggested_filename == "odd.trials.csv"
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
    assert len(rows) == sum(len(arm.trials) for arm in arms)
    row = rows[len(arms[0].trials) - 1]
    assert (row["x"], row["cause"]) == (plain_cell('=1+"1"'), plain_cell("-cmd, |' /C"))
    assert (row["y"], row["number"], row["value"]) == ("-0.5", "7", "")
