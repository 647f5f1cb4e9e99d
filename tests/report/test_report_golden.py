"""Golden files: every section of the small study, and those of other studies that differ."""

import os
import re
from pathlib import Path

import pytest

from hinet_search.common import plugins
from hinet_search.report.page import SECTIONS, cards
from hinet_search.report.sections import Card
from tests.report.distilled import distilled
from tests.report.measured import measured
from tests.report.moved import moved
from tests.report.nine_arms import few_rows, running
from tests.report.studies import empty, small
from tests.report.traded import traded

GOLDEN = Path(__file__).parent / "golden"
REGENERATE = "HINET_SEARCH_REGENERATE"
STUDIES = {
    "small": small(),
    "nine_arms": few_rows(),
    "empty": empty(),
    "running": running(),
    "distilled": distilled(),
    "measured": measured(),
    "moved": moved(),
    "traded": traded(("latency_ms", "worst_auc")),
}
CHANGED = ("what-to-ship", "verdict", "leaderboard", "budget-curves", "trust")
OF_INPUTS = ("inputs", "trust")
ON_TOP = ("what-to-ship", "verdict", "leaderboard", "trust")  # of students and ensembles
IDS = tuple(card.id for card in cards(small()))


def golden_text(card: Card) -> str:
    """Return the card with one element per line, for readable differences."""
    html = f"<h2>{card.heading}</h2>\n<p>{card.lead}</p>\n{card.body}\n"
    return re.sub(
        r"(</(?:tr|thead|tbody|li|ul|p|dl|summary|h3|pre|details|div)>)(?=.)", r"\1\n", html
    )


def files() -> list[tuple[str, str]]:
    of_study = {
        "small": IDS,
        "distilled": ON_TOP,
        "measured": OF_INPUTS,
        "moved": ("what-moved",),
        "traded": ("trade-off",),
    }
    return [(study, card) for study in STUDIES for card in of_study.get(study, CHANGED)]


@pytest.mark.parametrize(("study", "card"), files(), ids="-".join)
def test_a_section_reads_as_its_golden_file(study: str, card: str) -> None:
    text, path = (
        golden_text(next(each for each in cards(STUDIES[study]) if each.id == card)),
        GOLDEN / study / f"{card}.html",
    )
    if os.environ.get(REGENERATE):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), (
        f"if this change is meant, set {REGENERATE}=1 and read the difference"
    )


def test_every_golden_file_belongs_to_a_section_and_every_section_has_one() -> None:
    assert {path.relative_to(GOLDEN) for path in GOLDEN.rglob("*.html")} == {
        Path(study, f"{card}.html") for study, card in files()
    }
    assert len(IDS) == len(plugins.names(SECTIONS))
