"""Accessibility: contrast, order of headings, alternative texts, paper, no JavaScript."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import pairwise

import pytest
from playwright.sync_api import Browser, Page

from hinet_search.report.page import cards, compact, render
from hinet_search.results.study_record import StudyRecord
from tests.report.arms import Shape
from tests.report.conftest import Open
from tests.report.distilled import distilled
from tests.report.nine_arms import NAMES, SHAPE, nine_arms
from tests.report.planted import PLANTED
from tests.report.studies import empty, hostile, study

pytestmark = pytest.mark.browser

PAGES: dict[str, Callable[[], str]] = {
    "nine arms": lambda: render(nine_arms()),
    "warnings": lambda: render(PLANTED["gates"]),
    "distilled": lambda: render(distilled(nine_arms())),
    "empty": lambda: render(empty()),
}


# [contrast, text] of text whose contrast to its background is below 4.5 (WCAG 2.2, AA).
FAINT = """
() => {
  const parse = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const over = (top, ground) => ground.map((g, k) => (top[3] ?? 1) * top[k] + (1 - (top[3] ?? 1)) * g);
  const light = rgb => rgb.map(p => p / 255 <= 0.04045 ? p / 255 / 12.92 : ((p / 255 + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, k) => sum + [0.2126, 0.7152, 0.0722][k] * part, 0);
  const ground = element => {
    const chain = [];
    for (let e = element; e; e = e.parentElement) chain.unshift(parse(getComputedStyle(e).backgroundColor));
    return chain.reduce((below, top) => over(top, below), [255, 255, 255]);
  };
  const isShown = e => e.checkVisibility() && !e.closest('.sr') && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
  return [...document.querySelectorAll('body *')].filter(isShown).map(e => {
    const below = ground(e), text = over(parse(getComputedStyle(e).color), below);
    const [a, b] = [light(text), light(below)].sort((p, q) => q - p);
    return [(a + 0.05) / (b + 0.05), e.textContent.trim().slice(0, 40)];
  }).filter(([contrast]) => contrast < 4.5);
}
"""


@cache
def page_of(name: str) -> str:
    return PAGES[name]()


def opened(page: Page) -> Page:
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    return page


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", ["nine arms", "warnings"])
def test_all_text_stands_out_from_what_is_behind_it(
    open_page: Open, name: str, *, dark: bool
) -> None:
    assert opened(open_page(page_of(name), dark=dark).page).evaluate(FAINT) == []


def test_faint_text_would_be_found(open_page: Open) -> None:
    faint_texts = open_page(
        "<p style='color:#aaa'>faint</p><p style='color:#555'>clear</p>"
    ).page.evaluate(FAINT)
    assert [text for _, text in faint_texts] == ["faint"]


@pytest.mark.parametrize("name", PAGES)
def test_headings_go_down_one_level_at_a_time(open_page: Open, name: str) -> None:
    levels = open_page(page_of(name)).page.evaluate(
        "[...document.querySelectorAll('h1,h2,h3,h4')].map(h => Number(h.tagName[1]))"
    )
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(here - before <= 1 for before, here in pairwise(levels))


@pytest.mark.parametrize("name", PAGES)
def test_every_picture_is_described_in_words_and_no_drawing_is_read_out(
    open_page: Open, name: str
) -> None:
    page = open_page(page_of(name)).page
    untold = "[...document.querySelectorAll('[role=img]')].filter(e => !e.getAttribute('aria-label')).length"
    read_out = "[...document.querySelectorAll('svg')].filter(e => e.getAttribute('aria-hidden') !== 'true').length"
    alone = "[...document.querySelectorAll('svg')].filter(e => !e.closest('[role=img]')).length"
    assert page.evaluate(f"[{untold}, {read_out}, {alone}]") == [0, 0, 0]


@pytest.mark.parametrize("name", PAGES)
def test_tables_have_captions_folded_cards_headings_and_buttons_24_pixels(
    open_page: Open, name: str
) -> None:
    page = opened(open_page(page_of(name)).page)
    unnamed = "[...document.querySelectorAll('table')].filter(e => !e.caption?.textContent).length"
    folded = "[...document.querySelectorAll('.more > .folds > details')]"
    headless = f"{folded}.filter(e => !e.querySelector('summary > h2')).length"
    heights = "[...document.querySelectorAll('button')].map(e => e.offsetHeight)"
    low = f"{heights}.filter(height => height > 0 && height < 24).length"
    assert page.evaluate(f"[{unnamed}, {headless}, {low}]") == [0, 0, 0]


def test_every_id_is_there_once(open_page: Open) -> None:
    ids = open_page(page_of("nine arms")).page.evaluate(
        "[...document.querySelectorAll('[id]')].map(e => e.id)"
    )
    assert len(ids) == len(set(ids))


def test_whatever_takes_the_focus_shows_it(open_page: Open) -> None:
    page = open_page(page_of("nine arms")).page
    for _ in range(12):
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid", page.evaluate("document.activeElement.outerHTML.slice(0, 80)")


@pytest.mark.parametrize("trials", [10_000])
def test_nine_arms_with_all_that_finalists_leave_need_at_most_five_thousand_nodes(
    open_page: Open, trials: int
) -> None:
    page = open_page(render(nine_arms(replace(SHAPE, trials=trials // len(NAMES))))).page
    assert page.evaluate("document.querySelectorAll('*').length") <= 5_000


@pytest.mark.parametrize(
    "record", [nine_arms(), PLANTED["gates"], hostile()], ids=["nine arms", "warnings", "hostile"]
)
def test_what_is_left_out_of_the_markup_leaves_the_document_as_it_is(
    open_page: Open, record: StudyRecord
) -> None:
    page = open_page("<p></p>").page
    parsed = "html => { const box = document.createElement('template'); box.innerHTML = html; return box.innerHTML }"
    for card in cards(record):
        shorter = compact(card.body)
        assert page.evaluate(parsed, shorter) == page.evaluate(parsed, card.body)
        assert len(shorter) <= len(card.body)


@pytest.mark.parametrize("width", [390, 1280])
def test_what_to_take_its_numbers_and_what_to_do_are_on_the_first_screen(
    open_page: Open, width: int
) -> None:
    page = open_page(page_of("nine arms"), width=width).page
    ends = page.evaluate(
        "['h1', '.lead', '.kpi', '.do', '#leaderboard h2'].map(q => document.querySelector(q).getBoundingClientRect().bottom)"
    )
    assert ends == sorted(ends)
    assert ends[4 if width == 1280 else 3] <= 900


def test_without_javascript_everything_but_the_buttons_is_there(chromium: Browser) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.set_content(render(study(Shape(arms=("ple", "hinet")))))
    assert page.locator("h1").is_visible()
    assert page.locator(".forest").first.is_visible()
    assert not page.locator("#theme").is_visible()
    assert not page.locator("#json").is_visible()
    page.locator("#reproduce summary").last.click()
    assert page.locator("#reproduce details").last.locator("table").is_visible()
    context.close()
