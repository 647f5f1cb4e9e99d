"""The card of scores: shares that the highest scores hold, densities and reliability, from bins."""

import re
from dataclasses import replace

import pytest

from hinet_search.report.sections import Card, NotApplicable, scores
from hinet_search.results.calibration_records import Calibration, ScoreBins
from hinet_search.results.study_record import StudyRecord
from tests.report.edits import each_arm, each_summary
from tests.report.nine_arms import few_rows

# Ten bins of ten rows; the best one has 5 of 10 positives.
LABELS = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.1, 0.1, 0.3, 0.5)
SCORES = tuple(float(number) for number in range(-5, 5))
BINS = ScoreBins("click", 100, SCORES, 5.0, LABELS, expected=LABELS, calibrated=(0.1,) * 10)


def with_bins(*bins: ScoreBins) -> StudyRecord:
    """A study whose finalists have these bins."""
    calibration = Calibration((), bins)
    return each_arm(few_rows(), lambda arm: each_summary(arm, calibration=calibration))


def plots(card: Card) -> list[str]:
    """The drawings of the card."""
    return re.findall("<svg.*?</svg>", card.body)


def test_the_heading_says_what_share_of_the_labels_the_highest_scores_hold() -> None:
    reverse = replace(BINS, task="order", labels=LABELS[::-1])
    card = scores.build(with_bins(BINS, reverse))
    assert card.heading == (
        "The 10 % of rows with the highest scores hold 50 % of click and 0 % of order"
    )


def test_the_curve_of_shares_goes_through_the_shares_of_the_best_rows() -> None:
    drawn = plots(scores.build(with_bins(BINS)))[0]
    assert "M0 100L10 50L20 20L30 10L40 0H50" in drawn


def test_a_density_is_high_where_the_labels_are() -> None:
    of_rows, of_labels = re.findall(
        'd="([^"]+)" class="(?:band|band me)"', plots(scores.build(with_bins(BINS)))[1]
    )
    assert len(set(re.findall(r"V([\d.]+)", of_rows))) <= 2  # the same height everywhere
    assert len(set(re.findall(r"V([\d.]+)", of_labels))) > 3


def test_expected_and_actual_have_a_dot_before_and_after_calibration_for_each_tenth() -> None:
    drawn = plots(scores.build(with_bins(BINS)))[2]
    before, after = re.findall('d="([^"]+)" class="dots', drawn)
    assert before.count("M") == after.count("M") == 10
    places = re.findall(r"M([\d.]+) ([\d.]+)h0", before)
    assert all(float(x) == pytest.approx(100 - float(y)) for x, y in places)  # on the diagonal
    assert len({x for x, _ in re.findall(r"M([\d.]+) ([\d.]+)h0", after)}) == 1


def test_a_task_without_a_positive_has_no_picture() -> None:
    none = replace(BINS, task="order", labels=(0.0,) * 10)
    assert ">order<" not in scores.build(with_bins(BINS, none)).body


def test_studies_of_earlier_releases_have_no_scores() -> None:
    with pytest.raises(NotApplicable, match="studies of earlier releases have none"):
        scores.build(with_bins())
