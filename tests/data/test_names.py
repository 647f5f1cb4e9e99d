"""Names: a task is named after its label column, and no two tasks have the same name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hinet_search.data.guess.names import LONGEST_NAME, task_names, words_of


@pytest.mark.parametrize("name", ["shownAt", "shown_at", "Shown at", "shown-at", "SHOWN.AT"])
def test_the_words_of_a_name_are_found_however_it_is_written(name: str) -> None:
    assert words_of(name) == ["shown", "at"]


@pytest.mark.parametrize(
    ("column", "task"),
    [
        ("income_50k", "income_50k"),
        ("Income 50K", "income_50k"),
        ("click7d", "click7d"),
        ("is_click", "click"),
        ("Was clicked?", "clicked"),
        ("orderCount", "order_count"),
        ("who_is_it", "who_is_it"),
        ("is", "is"),
        ("2", "2"),
        ("点击", "点击"),
        ("क्लिक हुआ", "क्लिक_हुआ"),
    ],
)
def test_a_task_keeps_the_letters_and_digits_of_its_column(column: str, task: str) -> None:
    assert task_names([column]) == (task,)


def test_tasks_that_would_be_called_the_same_have_the_names_of_their_columns() -> None:
    assert task_names(["is_click", "click", "order"]) == ("is_click", "click", "order")


def test_a_column_of_signs_alone_gives_its_own_name() -> None:
    assert task_names(["???"]) == ("???",)


@given(st.lists(st.text(min_size=1), min_size=1, max_size=5, unique=True))
def test_every_task_has_a_short_name_of_its_own(columns: list[str]) -> None:
    names = task_names(columns)
    assert len(set(names)) == len(columns)
    assert all(0 < len(name) <= LONGEST_NAME + 2 for name in names)
