"""The page on paper: what is printed, on how many sheets; and its length on a screen."""

import re
from functools import cache

import pytest
from playwright.sync_api import Page

from hinet_search.report.page import render
from tests.report.conftest import Open
from tests.report.nine_arms import nine_arms

pytestmark = pytest.mark.browser

A4_WIDTH = 718  # pixels between margins of 10 mm
SHOWN = "[...document.querySelectorAll('details')].filter(d => d.checkVisibility()).map(d => d.className)"


@cache
def nine_arms_page() -> str:
    return render(nine_arms())


def on_paper(page: Page) -> Page:
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    return page


def sheets(page: Page) -> int:
    """Count the pages of the browser's PDF."""
    margin = "10mm"
    document = page.pdf(
        format="A4", margin={"top": margin, "bottom": margin, "left": margin, "right": margin}
    )
    return len(re.findall(rb"/Type\s*/Page\b", document))


def test_nine_arms_and_ten_cells_are_read_within_5_500_pixels(open_page: Open) -> None:
    assert (
        open_page(nine_arms_page()).page.evaluate("document.documentElement.scrollHeight") <= 5_500
    )


def test_nine_arms_and_ten_cells_are_printed_on_at_most_nine_sheets(open_page: Open) -> None:
    assert 2 <= sheets(open_page(nine_arms_page()).page) <= 9


def test_on_paper_nothing_is_cut_off_and_there_is_nothing_to_press(open_page: Open) -> None:
    page = on_paper(open_page(nine_arms_page(), width=A4_WIDTH).page)
    assert page.evaluate("document.documentElement.scrollWidth") <= A4_WIDTH
    buttons = "[...document.querySelectorAll('button')].filter(b => b.checkVisibility() && !b.closest('th')).length"
    assert page.evaluate(buttons) == 0


def test_columns_of_a_sorted_table_keep_their_names_on_paper(open_page: Open) -> None:
    page = open_page(nine_arms_page()).page
    page.click("#open")
    on_paper(page)
    columns = "[...document.querySelectorAll('table.sort th button')].map(b => b.checkVisibility())"
    assert set(page.evaluate(columns)) == {True}


def test_paper_has_what_belongs_there_opened_and_of_the_rest_what_was_opened(
    open_page: Open,
) -> None:
    page = open_page(nine_arms_page()).page
    page.locator("#default-beside-tuned summary").click()
    on_paper(page)
    details = page.evaluate(SHOWN)
    assert details.count("paper") == page.locator("details.paper").count() > 3
    assert details.count("") == 1
    assert page.locator("details.paper:not([open])").count() == 0


def test_the_first_sheet_is_what_to_take_and_the_leaderboard(open_page: Open) -> None:
    page = on_paper(open_page(nine_arms_page()).page)
    breaks = page.evaluate(
        "[...document.querySelectorAll('main > section')]"
        ".map(s => [s.id, getComputedStyle(s).breakBefore])"
    )
    assert breaks[:2] == [["leaderboard", "auto"], ["verdict", "page"]]
