"""What a column may mean is guessed from its name, its type and its values."""

import polars as pl
import pytest

from hinet_search.data.facts import ColumnFacts, facts_of
from hinet_search.data.guesses import Guess, Guesses, guess, words_of
from tests.data.odd_tables import odd_table

N = 600


def facts(**columns: object) -> tuple[ColumnFacts, ...]:
    return facts_of(pl.DataFrame(columns).lazy())


def guessed(**columns: object) -> Guesses:
    """Guesses of a table that has a label and a scenario beside the given columns."""
    fixed = {"is_click": [0, 1] * (N // 2), "scene": ["a", "b", "c"] * (N // 3)}
    return guess(facts(**{**fixed, **columns}))


def names(guesses: tuple[Guess, ...]) -> list[str]:
    return [one.column.name for one in guesses]


@pytest.fixture(scope="module")
def odd() -> Guesses:
    return guess(facts_of(odd_table().lazy()))


def test_labels_scenario_user_item_and_time_of_an_odd_table_are_found(odd: Guesses) -> None:
    assert odd.scenario is not None
    assert odd.user is not None
    assert odd.item is not None
    assert odd.time is not None
    found = (odd.scenario, odd.user, odd.item, odd.time)
    assert names(found) == ["Channel", "user id", "商品 id", "shownAt"]
    assert names(odd.tasks) == ["is clicked", "Order count"]


def test_features_of_an_odd_table_are_told_apart_from_outcomes_and_the_useless(odd: Guesses) -> None:
    assert names(odd.categorical) == ["user id", "商品 id", "yes"]
    assert names(odd.numeric) == ["Preis (€)", "age: days", "is new"]
    assert names(odd.outcomes) == ["dwell seconds"]
    assert {one.column.name: one.reason for one in odd.left_out} == {
        "viewed": "lists; to use them see `lists` in docs/data.md: they must end before the first row",
        "nested": "values of type Struct({'a': Int64, 'b': String})",
        "note": "no value in any row",
        "version": "the same value in every row",
        "row": "a value of its own in every row",
        "day as text": "dates as text; as a column of dates it could split by time",
    }


def test_what_is_unsure_says_what_to_look_at(odd: Guesses) -> None:
    doubts = {one.column.name for one in (*odd.tasks, *odd.numeric, *odd.outcomes) if one.doubt}
    assert doubts == {"Order count", "is new", "dwell seconds"}


def test_without_a_name_like_an_outcome_every_binary_column_is_a_label_to_be_looked_at() -> None:
    found = guess(facts(scene=["a", "b", "c"] * 200, flag=[0, 1] * 300, other=[0, 0, 0, 1] * 150))
    assert names(found.tasks) == ["flag", "other"]
    assert all(one.doubt for one in found.tasks)


def test_labels_are_in_the_order_of_the_funnel() -> None:
    found = guessed(is_order=[0, 0, 0, 1] * 150, is_like=[1, 1, 1, 0] * 150)
    assert names(found.tasks) == ["is_like", "is_click", "is_order"]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([i % 7 for i in range(N)], "categorical"),
        ([i % 300 for i in range(N)], "numeric"),
        ([f"w{i % 7}" for i in range(N)], "categorical"),
        ([f"w{i % 400}" for i in range(N)], "left_out"),
        ([i / 7 for i in range(N)], "numeric"),
        ([True, False, None] * 200, "categorical"),
        ([b"x"] * N, "left_out"),
        ([None] * N, "left_out"),
    ],
)
def test_a_column_without_a_telling_name_is_what_its_values_say(values: list[object], kind: str) -> None:
    assert names(getattr(guessed(thing=values), kind)) == ["thing"]


def test_without_a_scenario_by_name_the_text_of_fewest_values_is_taken_with_a_doubt() -> None:
    found = guess(facts(is_click=[0, 1] * 300, city=["x", "y", "z"] * 200, kind=[1, 2] * 300)).scenario
    assert found is not None
    assert found.column.name == "city"
    assert found.doubt


def test_a_table_without_a_column_of_few_values_has_no_scenario() -> None:
    assert guess(facts(is_click=[0, 1] * 300, price=[i / 7 for i in range(N)])).scenario is None


@pytest.mark.parametrize(
    ("values", "is_time"),
    [
        ([1_700_000_000 + i for i in range(N)], True),
        ([1_700_000_000_000 + i for i in range(N)], True),
        ([20260501 + i % 20 for i in range(N)], True),
        ([i % 24 for i in range(N)], False),
        ([*range(1_700_000_000, 1_700_000_000 + N - 1), None], False),
    ],
)
def test_numbers_are_a_clock_where_they_can_be_moments_and_have_no_gaps(values: list[object], *, is_time: bool) -> None:
    assert (guessed(timestamp=values).time is not None) is is_time


@pytest.mark.parametrize("name", ["shownAt", "shown_at", "Shown at", "shown-at", "SHOWN.AT"])
def test_the_words_of_a_name_are_found_however_it_is_written(name: str) -> None:
    assert words_of(name) == ["shown", "at"]
