"""Two studies: gains of each arm over itself, when they are comparable, and what else differed."""

import re
from dataclasses import replace

import pytest

from hinet_search.common.errors import ConfigurationError
from hinet_search.report.two_studies import render_pair
from hinet_search.results.data_record import RowHashes
from hinet_search.results.records import ArmRecord, CellValue
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.two_studies import across, sentence
from tests.duels import with_seeds_opened
from tests.report.arms import Shape
from tests.report.conftest import Open
from tests.report.edits import each_arm, each_run, each_summary, each_test_cell
from tests.report.nine_arms import few_rows
from tests.report.studies import INJECTION, empty, small, study

BEFORE = replace(few_rows(), name="before")


def lifted(record: StudyRecord, by: float, *names: str) -> StudyRecord:
    """Return the record with every test value of those arms raised by that much."""

    def better(cell: CellValue) -> CellValue:
        return replace(cell, auc=None if cell.auc is None else cell.auc + by)

    def changed(arm: ArmRecord) -> ArmRecord:
        arm = each_run(arm, lambda run: each_test_cell(run, better))
        summary = next((each.summary for each in arm.finalists if each.summary), None)
        if summary is None:
            return arm
        headline = tuple(value + by for value in summary.resampled.headline)
        return each_summary(arm, resampled=replace(summary.resampled, headline=headline))

    return replace(each_arm(record, changed, *names), name="after")


def test_a_study_gained_nothing_over_itself() -> None:
    after = replace(BEFORE, name="after")
    assert [
        contrast.difference and contrast.difference.mean for contrast in across(BEFORE, after)
    ] == [0.0] * 9
    assert (
        sentence(BEFORE, after)
        == "No arm of after differs significantly from the same arm of before."
    )


def test_an_arm_that_gained_is_named_with_its_gain() -> None:
    after = lifted(BEFORE, 0.01, "hinet", "ple")
    by_arm = {contrast.arm: contrast for contrast in across(BEFORE, after)}
    assert by_arm["hinet"].difference is not None
    assert by_arm["hinet"].difference.mean == pytest.approx(0.01)
    assert sentence(BEFORE, after) in (
        "after against before: better in HiNet and PLE; 7 without significant difference.",
        "after against before: better in PLE and HiNet; 7 without significant difference.",
    )


def test_an_arm_that_lost_is_named() -> None:
    assert (
        sentence(BEFORE, lifted(BEFORE, -0.01, "ple"))
        == "after against before: worse in PLE; 8 without significant difference."
    )


def test_users_count_where_both_studies_drew_the_same() -> None:
    same, other = lifted(BEFORE, 0.01, "hinet"), replace(lifted(BEFORE, 0.01, "hinet"), seed=2)
    assert all(contrast.user_error is not None for contrast in across(BEFORE, same))
    assert all(
        contrast.user_error is None and contrast.counted.endswith("users are not counted")
        for contrast in across(BEFORE, other)
    )
    assert "users are not counted" in render_pair(BEFORE, other)


def test_two_studies_of_other_seeds_claim_nothing() -> None:
    other = replace(lifted(BEFORE, 0.01, "hinet"), seed=2)
    assert {contrast.mark for contrast in across(BEFORE, other)} == {"observation"}
    assert (
        sentence(BEFORE, other)
        == "after against before: an observation, not a claim (users not counted)."
    )


def test_an_arm_that_lacks_seeds_in_one_study_is_left_out_of_what_is_claimed() -> None:
    after = with_seeds_opened(lifted(BEFORE, 0.01, "hinet", "star"), "star", 2)
    assert sentence(BEFORE, after) == (
        "after against before: better in HiNet; 7 without significant difference. No claim about STAR (2 of 5 seeds)."
    )


def test_few_seeds_are_an_observation() -> None:
    before, after = replace(small(), name="before"), lifted(small(), 0.01, "hinet")
    assert (
        sentence(before, after)
        == "after against before: an observation, not a claim (3 of 5 seeds)."
    )


def test_an_unopened_study_is_not_decided() -> None:
    closed = replace(study(Shape(opened=False)), name="after")
    assert (
        sentence(study(), closed)
        == "Not decided yet: no arm was opened on test in both shop and after."
    )


def on(
    record: StudyRecord, fingerprint: str, in_order: str, by_identity: str | None = None
) -> StudyRecord:
    """Return the record on data with that fingerprint and those hashes of test rows."""
    hashes = RowHashes(in_order, by_identity)
    return replace(record, data=replace(record.data, fingerprint=fingerprint, test_rows=hashes))


HASHED = on(BEFORE, "3f9a1c", "rows", "users")


def test_other_features_on_the_same_test_rows_are_compared_and_the_page_says_so() -> None:
    after = on(lifted(BEFORE, 0.01, "hinet"), "9z", "rows", "users")
    html = render_pair(HASHED, after)
    assert (
        sentence(HASHED, after)
        == "after against before: better in HiNet; 8 without significant difference."
    )
    assert "tested on the same rows, with the same scenarios and labels" in html
    assert "(fingerprints 3f9a1c and 9z)" in html


@pytest.mark.parametrize(
    ("in_order", "by_identity"), [("rows", "other"), ("rows", None), ("other", "users")]
)
def test_test_rows_of_which_one_hash_agrees_are_the_same_but_their_users_may_not_be(
    in_order: str, by_identity: str | None
) -> None:
    after = on(lifted(BEFORE, 0.01, "hinet"), "9z", in_order, by_identity)
    render_pair(HASHED, after)
    assert (
        sentence(HASHED, after)
        == "after against before: an observation, not a claim (users not counted)."
    )


@pytest.mark.parametrize("by_identity", [None, "other"])
def test_other_test_rows_are_refused_in_words(by_identity: str | None) -> None:
    before, after = (
        on(BEFORE, "3f9a1c", "rows"),
        on(replace(BEFORE, name="x"), "9z", "other", by_identity),
    )
    with pytest.raises(
        ConfigurationError, match=r"tested on the same rows, .* got others"
    ) as caught:
        render_pair(before, after)
    assert "features may differ" in caught.value.remedy


@pytest.mark.parametrize(
    ("after", "must"),
    [
        (
            replace(BEFORE, name="x", data=replace(BEFORE.data, fingerprint="9z")),
            r"got others \(fingerprints 3f9a1c and 9z\)",
        ),
        (
            replace(BEFORE, name="x", objective="logloss", maximize=False),
            "judged by the same measure",
        ),
        (replace(BEFORE, name="x", arms=BEFORE.arms[:0]), "must have an arm of the same name"),
    ],
    ids=["data", "measure", "arms"],
)
def test_studies_that_cannot_be_compared_say_why_and_what_to_do(
    after: StudyRecord, must: str
) -> None:
    with pytest.raises(ConfigurationError, match=must) as caught:
        render_pair(BEFORE, after)
    assert caught.value.problems[0].startswith("studies 'before' and 'x' cannot be compared: ")
    assert caught.value.remedy


def test_the_page_says_the_sentence_and_everything_that_differed() -> None:
    after = replace(
        lifted(BEFORE, 0.01, "hinet"),
        sampler="random",
        seed=7,
        budget=replace(BEFORE.budget, passes=2.0),
    )
    html = render_pair(BEFORE, replace(after, arms=after.arms[:-1]))
    assert f"<title>{sentence(BEFORE, replace(after, arms=after.arms[:-1]))}</title>" in html
    assert "3 recorded differences" in html
    assert re.findall(r"<th scope=row>(Passes|Sampler|Seed|Pruner)<", html) == [
        "Passes",
        "Sampler",
        "Seed",
    ]
    assert "In one study only, and not compared: Flat MoE (before)." in html
    assert "used 9 times" in html


def test_a_wider_range_and_another_fixed_value_are_named() -> None:
    arm = next(arm for arm in BEFORE.arms if arm.name == "hinet")
    wider = tuple(
        replace(searched, high=0.9) if searched.name == "model.dropout" else searched
        for searched in arm.ranges
    )
    changed = replace(arm, ranges=wider, fixed={"train.optimizer": "lion"})
    after = replace(
        BEFORE,
        name="after",
        arms=tuple(changed if other == arm else other for other in BEFORE.arms),
    )
    html = render_pair(BEFORE, after)
    assert "train.optimizer: adam; model.dropout: 0 to .6<" in html
    assert "train.optimizer: lion; model.dropout: 0 to .9<" in html
    assert "1 recorded difference" in html


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
