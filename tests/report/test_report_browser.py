"""The page in a browser: no requests, no injected script, fits a phone, works by keyboard."""

import csv
import io
import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from hinet_search.report.page import render
from hinet_search.report.untrusted import plain_cell
from hinet_search.results.records import TrialRecord
from tests.report.arms import ARMS, Shape
from tests.report.conftest import Open
from tests.report.distilled import distilled, with_ensemble, with_student
from tests.report.nine_arms import nine_arms
from tests.report.studies import INJECTION, empty, hostile, study

pytestmark = pytest.mark.browser

THIRTEEN = (*ARMS, *(f"hinet_without_part_{k}" for k in range(6)))
WIDE = {
    "thirteen arms": study(Shape(arms=THIRTEEN)),
    "seven arms": study(Shape(trials=60)),
    "nine arms": nine_arms(),
    "twenty scenarios": study(
        Shape(scenarios=tuple(f"A rather long scenario name {k}" for k in range(20)))
    ),
    "empty": empty(),
    "hostile": hostile(),
    "distilled": distilled(nine_arms()),
    "distilled and hostile": with_ensemble(with_student(hostile(), INJECTION)),
}


@cache
def page_of(name: str) -> str:
    return render(WIDE[name])


@pytest.mark.parametrize(
    ("name", "width"),
    [("distilled", 390), ("hostile", 390), ("twenty scenarios", 390), ("nine arms", 1280)],
)
def test_the_page_never_scrolls_sideways(open_page: Open, name: str, width: int) -> None:
    page = open_page(page_of(name), width=width).page
    page.click("#open") if width > 760 else None
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("name", ["distilled", "empty", "hostile"])
def test_the_page_asks_for_nothing_and_complains_of_nothing(open_page: Open, name: str) -> None:
    opened = open_page(page_of(name))
    assert (opened.requests, opened.complaints) == ([opened.page.url], [])


def test_a_script_in_names_does_not_run(open_page: Open) -> None:
    assert open_page(render(hostile())).page.evaluate("typeof window.P") == "undefined"


def test_the_button_turns_light_into_dark_and_back(open_page: Open) -> None:
    page = open_page(render(study(Shape(arms=("ple", "hinet"))))).page
    seen = []
    for _ in range(2):
        page.click("#theme")
        seen.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert seen == ["rgb(20, 24, 28)", "rgb(255, 255, 255)"]


def test_the_download_holds_the_data(open_page: Open, tmp_path: Path) -> None:
    page = open_page(render(study(Shape(arms=("ple", "hinet"))))).page
    with page.expect_download() as waiting:
        page.click("#json")
    path = tmp_path / "data.json"
    waiting.value.save_as(path)
    assert json.loads(path.read_text(encoding="utf-8"))["study"] == "shop"


def test_trials_are_sorted_by_keyboard(open_page: Open) -> None:
    page = open_page(render(study(Shape(trials=60)))).page
    page.locator("#top-trials summary").first.click()
    page.locator("#top-trials details summary").first.click()
    page.locator("table.sort").first.locator("th button").first.focus()
    page.keyboard.press("Enter")
    column = page.evaluate(
        "[...document.querySelector('table.sort').tBodies[0].rows].map(r=>parseInt(r.cells[0].textContent))"
    )
    assert column == sorted(column, reverse=True)
    assert page.locator("table.sort th[aria-sort]").first.get_attribute("aria-sort") == "descending"


def test_every_region_that_scrolls_is_reached_by_keyboard_and_has_a_name(open_page: Open) -> None:
    page = open_page(page_of("seven arms"), width=390).page
    unnamed = page.evaluate(
        "[...document.querySelectorAll('.scroll')].filter(e=>e.tabIndex!==0||!e.getAttribute('aria-label')).length"
    )
    assert unnamed == 0


@pytest.mark.parametrize(("width", "label"), [(390, 120), (1280, 180)])
def test_with_thirteen_arms_the_names_of_cells_keep_their_width_and_their_place(
    open_page: Open, width: int, label: int
) -> None:
    page = open_page(page_of("thirteen arms"), width=width).page
    name = "document.querySelector('.mat tbody th').getBoundingClientRect()"
    before = page.evaluate(f"[{name}.left,{name}.width]")
    scrolled = page.evaluate(
        "(e=>{e.scrollLeft=500;return e.scrollLeft})(document.querySelector('.mat').parentElement)"
    )
    after = page.evaluate(f"[{name}.left,{name}.width]")
    assert scrolled > 0
    assert before == after
    assert before[1] >= label


@pytest.mark.parametrize("width", [390, 1280])
def test_text_is_at_least_twelve_pixels_high(open_page: Open, width: int) -> None:
    page = open_page(page_of("seven arms"), width=width).page
    smallest = page.evaluate(
        "Math.min(...[...document.querySelectorAll('main *')].filter(e=>[...e.childNodes].some(n=>n.nodeType===3&&n.data.trim()))"
        ".map(e=>parseFloat(getComputedStyle(e).fontSize)))"
    )
    assert smallest >= 11.9


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize(("name", "labels"), [("thirteen arms", range(6, 14))])
def test_names_in_the_picture_of_costs_do_not_overlap_and_stay_inside(
    open_page: Open, name: str, labels: range, width: int
) -> None:
    page = open_page(page_of(name), width=width).page
    boxes = page.evaluate(
        "[...document.querySelectorAll('#leaderboard .tag')].filter(e=>e.checkVisibility())"
        ".map(e=>{const b=e.getBoundingClientRect();return [b.left,b.right,b.top,b.bottom]})"
    )
    assert all(box[0] >= 0 and box[1] <= width for box in boxes)
    pairs = [(a, b) for i, a in enumerate(boxes) for b in boxes[:i]]
    assert len(boxes) in labels
    assert not [1 for a, b in pairs if a[0] < b[1] and b[0] < a[1] and a[2] < b[3] and b[2] < a[3]]


def test_a_link_to_a_folded_card_opens_it(open_page: Open) -> None:
    page = open_page(page_of("nine arms")).page
    page.evaluate("location.hash = 'ranges'")
    assert page.locator("#ranges table").first.is_visible()


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
