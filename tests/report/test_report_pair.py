"""Two studies: what an arm gained over itself, when that can be said at all, and what else differed."""

import re
from dataclasses import replace

import pytest

from hinet_search.compare.across import across, sentence
from hinet_search.errors import ConfigurationError
from hinet_search.records import CellValue, FinalistRecord, StudyRecord
from hinet_search.report.pair import render_pair
from tests.report.conftest import Open
from tests.report.nine_arms import few_rows
from tests.report.studies import INJECTION, Shape, empty, small, study

BEFORE = replace(few_rows(), name="before")


def lifted(record: StudyRecord, by: float, *names: str) -> StudyRecord:
    """The record after further work on those arms: every test value of theirs is higher by that much."""
    arms = tuple(
        replace(arm, finalists=tuple(_lifted(one, by) for one in arm.finalists)) if arm.name in names else arm
        for arm in record.arms
    )
    return replace(record, name="after", arms=arms)


def _lifted(finalist: FinalistRecord, by: float) -> FinalistRecord:
    def cell(one: CellValue) -> CellValue:
        return replace(one, auc=None if one.auc is None else one.auc + by)

    runs = tuple(
        replace(run, test_cells=None if run.test_cells is None else tuple(map(cell, run.test_cells)))
        for run in finalist.runs
    )
    if finalist.summary is None:
        return replace(finalist, runs=runs)
    drawn = finalist.summary.resampled
    headline = tuple(value + by for value in drawn.headline)
    return replace(finalist, runs=runs, summary=replace(finalist.summary, resampled=replace(drawn, headline=headline)))


def test_a_study_gained_nothing_over_itself() -> None:
    after = replace(BEFORE, name="after")
    assert [one.difference and one.difference.mean for one in across(BEFORE, after)] == [0.0] * 9
    assert sentence(BEFORE, after) == "No arm of after is told apart from the same arm of before."


def test_an_arm_that_gained_is_named_with_its_gain() -> None:
    after = lifted(BEFORE, 0.01, "hinet", "ple")
    found = {one.arm: one for one in across(BEFORE, after)}
    assert found["hinet"].difference is not None
    assert found["hinet"].difference.mean == pytest.approx(0.01)
    assert sentence(BEFORE, after) in (
        "after against before: better in HiNet and PLE; 7 not told apart.",
        "after against before: better in PLE and HiNet; 7 not told apart.",
    )


def test_an_arm_that_lost_is_named() -> None:
    assert sentence(BEFORE, lifted(BEFORE, -0.01, "ple")) == "after against before: worse in PLE; 8 not told apart."


def test_users_count_where_both_studies_drew_the_same() -> None:
    same, other = lifted(BEFORE, 0.01, "hinet"), replace(lifted(BEFORE, 0.01, "hinet"), seed=2)
    assert all(one.user_error is not None for one in across(BEFORE, same))
    assert all(
        one.user_error is None and one.counted.endswith("users are not counted") for one in across(BEFORE, other)
    )
    assert "users are not counted" in render_pair(BEFORE, other)


def test_few_seeds_are_an_observation() -> None:
    before, after = replace(small(), name="before"), lifted(small(), 0.01, "hinet")
    assert sentence(before, after) == "after against before: an observation with 3 seeds, not a claim."


def test_an_unopened_study_is_not_decided() -> None:
    closed = replace(study(Shape(opened=False)), name="after")
    assert sentence(study(), closed) == "Not decided yet: no arm was opened on test in both shop and after."


@pytest.mark.parametrize(
    ("after", "must"),
    [
        (replace(BEFORE, name="x", data=replace(BEFORE.data, fingerprint="9z")), "got fingerprints 3f9a1c and 9z"),
        (replace(BEFORE, name="x", objective="logloss", maximize=False), "judged by the same measure"),
        (replace(BEFORE, name="x", arms=BEFORE.arms[:0]), "must have an arm of the same name"),
    ],
    ids=["data", "measure", "arms"],
)
def test_studies_that_cannot_be_compared_say_why_and_what_to_do(after: StudyRecord, must: str) -> None:
    with pytest.raises(ConfigurationError, match=must) as caught:
        render_pair(BEFORE, after)
    assert caught.value.problems[0].startswith("studies 'before' and 'x' cannot be compared: ")
    assert caught.value.remedy


def test_the_page_says_the_sentence_and_everything_that_differed() -> None:
    after = replace(lifted(BEFORE, 0.01, "hinet"), sampler="random", seed=7, budget=replace(BEFORE.budget, passes=2.0))
    html = render_pair(BEFORE, replace(after, arms=after.arms[:-1]))
    assert f"<title>{sentence(BEFORE, replace(after, arms=after.arms[:-1]))}</title>" in html
    assert "3 recorded things differ" in html
    assert re.findall(r"<th scope=row>(Passes|Sampler|Seed|Pruner)<", html) == ["Passes", "Sampler", "Seed"]
    assert "In one study only, and not compared: Flat MoE (before)." in html
    assert "opened 9 times" in html


def test_a_wider_range_and_another_fixed_value_are_named() -> None:
    arm = next(one for one in BEFORE.arms if one.name == "hinet")
    wider = tuple(replace(one, high=0.9) if one.name == "model.dropout" else one for one in arm.ranges)
    changed = replace(arm, ranges=wider, fixed={"train.optimizer": "lion"})
    after = replace(BEFORE, name="after", arms=tuple(changed if one == arm else one for one in BEFORE.arms))
    html = render_pair(BEFORE, after)
    assert "train.optimizer: adam; model.dropout: 0 to 0.6<" in html
    assert "train.optimizer: lion; model.dropout: 0 to 0.9<" in html
    assert "1 recorded thing differs" in html


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_of_two_studies_fits_and_asks_for_nothing(open_page: Open, width: int) -> None:
    after = replace(lifted(BEFORE, 0.01, "hinet"), name=INJECTION, sampler=INJECTION)
    opened = open_page(render_pair(BEFORE, after), width=width)
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    assert (opened.requests, opened.complaints) == ([opened.page.url], [])
    assert opened.page.evaluate("typeof window.P") == "undefined"
    opened.page.click("#theme")


def test_two_studies_without_a_trial_have_a_page() -> None:
    assert "Not decided yet" in render_pair(empty(), replace(empty(), name="other"))
