"""The card of rows by day: bars by split, and how mean labels move."""

import re
from dataclasses import replace

import pytest

from hinet_search.report.sections import NotApplicable, rows_by_day
from hinet_search.results.data_record import Timeline
from hinet_search.results.study_record import StudyRecord
from tests.report.studies import small

ROWS = ((100, 0, 0), (40, 60, 0), (0, 0, 200), (0, 0, 1))
MEANS = {"click": (0.1, 0.2, 0.3, 1.0)}


def with_timeline(timeline: Timeline | None) -> StudyRecord:
    record = small()
    return replace(record, data=replace(record.data, timeline=timeline))


def test_the_heading_says_how_the_mean_label_moves_from_train_to_test() -> None:
    card = rows_by_day.build(with_timeline(Timeline("2026-05-01", 1, ROWS, MEANS)))
    train = (4_000 + 2_000) / (80_000 + 40_000)
    test = (2_100 + 1_050) / (41_200 + 20_600)
    moves = f"click {train:.4f} → {test:.4f}"
    assert card.heading == f"Mean label from train to test: {moves}"


def test_splits_stand_one_on_another_and_periods_of_many_rows_have_dots_of_their_colours() -> None:
    body = rows_by_day.build(with_timeline(Timeline("2026-05-01", 1, ROWS, MEANS))).body
    bars = re.findall('d="([^"]+)" class="band', body)
    train, valid, test = bars
    assert "V81" in train  # 40 of 210, the height of the picture
    assert {"V52.4", "V81"} <= set(re.findall(r"V[\d.]+", valid))  # from 40 to 100
    assert "V4.8" in test
    dots = re.findall('d="([^"]*)" class="dots([^"]*)"', body)
    assert [(drawn.count("M"), class_) for drawn, class_ in dots] == [
        (1, ""),
        (1, " valid"),
        (1, " me"),
    ]
    assert re.findall(r">(\d\d-\d\d)<", body)[:3] == ["05-01", "05-03", "05-04"]


def test_periods_of_numbers_are_numbered_by_their_first_days() -> None:
    card = rows_by_day.build(with_timeline(Timeline("", 7, ROWS, MEANS)))
    assert re.findall(r">(day \d+)<", card.body)[:3] == ["day 1", "day 15", "day 22"]
    assert "rows of a 7 days" not in card.body


@pytest.mark.parametrize("timeline", [None, Timeline("", 1, ROWS[:1], {"click": (0.1,)})])
def test_without_two_days_there_is_no_picture(timeline: Timeline | None) -> None:
    with pytest.raises(NotApplicable, match="needs rows of two days"):
        rows_by_day.build(with_timeline(timeline))
