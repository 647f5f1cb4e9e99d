"""Events: lengths of time, what events and sessions accept, and the errors for the rest."""

import re
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from hinet_search.study.event_definition import (
    ALL,
    EventsDefinition,
    SessionDefinition,
    Span,
    TimeSpan,
)

DURATION: TypeAdapter[TimeSpan] = TypeAdapter(Span)


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("500ms", 500),
        ("90s", 90_000),
        ("30m", 1_800_000),
        ("1h", 3_600_000),
        ("2d", 172_800_000),
        ("1w", 604_800_000),
        ("0s", 0),
    ],
)
def test_a_duration_is_a_whole_number_of_a_unit(text: str, milliseconds: int) -> None:
    span = DURATION.validate_python(text)
    assert span.whole("ms") == milliseconds
    assert span.nanoseconds == milliseconds * 10**6


@pytest.mark.parametrize(
    "value", ["1 h", "1.5h", "-1h", "h", "1", "1y", "1h 30m", "", 60, 0, None, True, [], "٣h", "1H"]
)
def test_any_other_form_of_a_duration_is_an_error_that_shows_the_form(value: Any) -> None:
    with pytest.raises(ValidationError, match="a whole number and a unit, such as 500ms, 90s"):
        DURATION.validate_python(value)


def test_a_duration_is_at_most_a_hundred_years() -> None:
    with pytest.raises(ValidationError, match="at most 100 years, got 5300w"):
        DURATION.validate_python("5300w")


def test_a_duration_is_written_as_it_was_read() -> None:
    assert DURATION.dump_python(DURATION.validate_python("60m")) == "60m"


def test_a_duration_may_be_no_whole_number_of_a_coarser_unit() -> None:
    assert TimeSpan(500, "ms").whole("s") is None
    assert TimeSpan(2000, "ms").whole("s") == 2


def events(**changes: Any) -> EventsDefinition:
    return EventsDefinition.model_validate({"by": ["user"], "labels_after": "1h"} | changes)


def test_events_have_the_window_of_all_earlier_rows_by_default() -> None:
    assert events().windows == (ALL,)
    assert events(by=["user", ["user", "tab"]]).keys == (("user",), ("user", "tab"))


def test_events_read_what_they_wrote() -> None:
    definition = events(windows=["500ms", "1d", "all"], labels_after="0s", last=3, half_life="3d")
    assert EventsDefinition.model_validate(definition.model_dump()) == definition


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"labels_after": None}, "labels_after must say how long after its row a label is known"),
        ({"labels_after": 0}, "2d or 1w, or never; got 0"),
        ({"windows": []}, "at least 1"),
        ({"windows": ["0s"]}, "must be longer than nothing, got 0s"),
        ({"windows": ["week"]}, "2d or 1w, or all; got 'week'"),
        ({"windows": ["60m", "1h"]}, "two of the same length among 60m, 1h"),
        ({"windows": ["all", "all"]}, "two of the same length among all, all"),
        ({"by": ["user", "user"]}, "events need every key once, of different columns: user"),
        ({"by": [["user", "user"]]}, "events need every key once, of different columns: user x"),
        ({"by": [[]]}, "events need every key once, of different columns: one is empty"),
        ({"by": []}, "at least 1"),
        ({"last": 11}, "less than or equal to 10"),
        ({"last": 1, "labels_after": "never"}, "last must be left out where labels_after is never"),
        ({"half_life": "3d", "labels_after": "never"}, "half_life must be left out .* got 3d: no"),
        ({"half_life": "0d"}, "must be longer than nothing, got 0d"),
    ],
)
def test_impossible_events_are_errors(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError) as caught:
        events(**changes)
    assert re.search(problem, str(caught.value))


def test_a_session_ends_after_a_gap_of_some_length() -> None:
    assert SessionDefinition.model_validate({"gap": "30m"}).gap == TimeSpan(30, "m")
    with pytest.raises(ValidationError, match="longer than nothing, got 0m"):
        SessionDefinition.model_validate({"gap": "0m"})
