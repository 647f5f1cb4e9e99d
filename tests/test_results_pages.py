"""Tables of results pages are those of their result files, and every result file has a page."""

import sys
from pathlib import Path
from statistics import fmean
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "docs" / "results"


@pytest.fixture(scope="module")
def pages() -> ModuleType:
    sys.path.insert(0, str(RESULTS))
    try:
        import write_pages
    finally:
        sys.path.remove(str(RESULTS))
    return write_pages


def test_every_table_of_a_page_is_what_its_result_file_gives(pages: ModuleType) -> None:
    others = [
        path.name
        for path in pages.PAGES
        if pages.written(path.read_text(encoding="utf-8")) != path.read_text(encoding="utf-8")
    ]
    assert not others, "run python docs/results/write_pages.py"


def test_every_result_file_has_a_table_in_a_page(pages: ModuleType) -> None:
    shown = {
        name for path in pages.PAGES for name in pages.names_of(path.read_text(encoding="utf-8"))
    }
    assert {path.stem for path in (RESULTS / "data").glob("*.json")} == shown


def test_a_changed_number_of_a_page_is_written_anew(pages: ModuleType) -> None:
    page = next(path for path in pages.PAGES if "<!-- table" in path.read_text(encoding="utf-8"))
    text = page.read_text(encoding="utf-8")
    start = text.index("-->", text.index("<!-- table"))
    wrong = text[:start] + text[start:].replace(".", ",", 1)
    assert wrong != text
    assert pages.written(wrong) == text


def test_a_kind_of_table_that_nothing_makes_is_an_error(pages: ModuleType) -> None:
    with pytest.raises(KeyError, match="nonsense"):
        pages.written("<!-- table nonsense of rivals_kuairand -->\n<!-- end of table -->")


def test_gains_of_a_saved_study_are_those_of_its_report() -> None:
    sys.path.insert(0, str(RESULTS))
    try:
        import result_files
    finally:
        sys.path.remove(str(RESULTS))
    from hinet_search.results.contrasts import contrasts
    from tests.report.nine_arms import nine_arms

    record = nine_arms()
    reported = {each.arm: each for each in contrasts(record)}
    focus = next(arm.name for arm in record.arms if arm.name not in reported)
    saved = result_files.result_file([record], focus)
    assert saved.studies[0].name == record.name
    assert {gain.against for gain in saved.gains} == set(reported)
    for gain in saved.gains:
        difference = reported[gain.against].difference
        assert difference is not None
        assert gain.focus == focus
        assert gain.gain == pytest.approx(difference.mean, abs=1e-5)
        assert (gain.low, gain.high) == pytest.approx((difference.low, difference.high), abs=1e-5)
        means = {arm.name: fmean(arm.valid_headline) for arm in saved.studies[0].arms}
        assert gain.valid_gain == pytest.approx(means[focus] - means[gain.against], abs=2e-5)
        assert gain.p_holm == pytest.approx(reported[gain.against].p_holm, abs=1e-4)
