"""Ids that every scenario numbers for itself, beside one that has the scenario added."""

import numpy as np
import polars as pl
import pytest

from hinet_search.data.definition_text import GuessedTable
from hinet_search.data.guess.guess_table import guessed_table
from hinet_search.data.guess.roles import KnownRoles

NUM_ROWS = 6_000
SOURCE = {"kind": "table", "path": "rows.parquet"}


def _rows(num_items: int = 200) -> pl.DataFrame:
    """Three campaigns, which number their items from 1; `item` goes on from one to the next."""
    generator = np.random.default_rng(0)
    campaign_R = generator.integers(0, 3, NUM_ROWS)
    number_R = generator.integers(1, num_items + 1, NUM_ROWS)
    return pl.DataFrame(
        {
            "scene": np.array(["all", "men", "women"])[campaign_R],
            "item_id": number_R,
            "item": campaign_R * num_items + number_R,
            "user_id": generator.integers(1, 400, NUM_ROWS),
            "age": generator.normal(40, 10, NUM_ROWS),
            "click": (generator.random(NUM_ROWS) < 0.3).astype(np.int8),
        }
    )


def _guessed(rows: pl.DataFrame, **known: str) -> GuessedTable:
    return guessed_table(rows.lazy(), "rows", SOURCE, KnownRoles(**known))


def test_the_id_that_has_the_scenario_added_is_the_item() -> None:
    guesses = _guessed(_rows()).guesses
    assert guesses.item is not None
    assert guesses.item.column.name == "item"
    assert "'item_id' with the scenario added" in guesses.item.reason
    assert [role.column.name for role in guesses.categorical].count("item") == 1
    assert "item" not in [role.column.name for role in guesses.numeric]
    left = {role.column.name: role.reason for role in guesses.left_out}
    assert left == {"item_id": "every scenario numbers its own: 'item' tells them apart"}


def test_a_text_of_scenario_and_id_is_the_item_too() -> None:
    rows = _rows().with_columns(pl.format("{}/{}", "scene", "item_id").alias("item"))
    item = _guessed(rows).guesses.item
    assert item is not None
    assert item.column.name == "item"


def test_a_given_item_stays() -> None:
    item = _guessed(_rows(), item="item_id").guesses.item
    assert item is not None
    assert item.column.name == "item_id"


@pytest.mark.parametrize(
    "other",
    [
        pl.col("item_id") + 1_000,  # another name of the same items
        pl.int_range(pl.len()) % 5_000,  # says nothing about the item
        pl.when(pl.int_range(pl.len()) < 5).then(-1).otherwise("item"),  # not one to one
    ],
    ids=["the same", "another number", "nearly"],
)
def test_other_numbers_beside_an_id_leave_it(other: pl.Expr) -> None:
    item = _guessed(_rows().with_columns(other.alias("item"))).guesses.item
    assert item is not None
    assert item.column.name == "item_id"


def test_a_given_scenario_of_many_values_is_doubted() -> None:
    rows = _rows(num_items=20).with_columns(pl.col("item").alias("shelf"))
    scenario = _guessed(rows, scenario="shelf").guesses.scenario
    assert scenario is not None
    assert "values: a scenario is one of a few" in scenario.to_check
    few = _guessed(rows, scenario="scene").guesses.scenario
    assert few is not None
    assert few.to_check == ""


@pytest.mark.parametrize(("num_clicks", "is_told"), [(115, True), (600, False)])
def test_few_clicks_are_told(num_clicks: int, *, is_told: bool) -> None:
    click_R = np.zeros(NUM_ROWS, dtype=np.int8)
    click_R[np.random.default_rng(1).choice(NUM_ROWS, num_clicks, replace=False)] = 1
    rows = _rows().with_columns(pl.Series("click", click_R))
    task = _guessed(rows).tasks["click"]
    told = f"{num_clicks} rows with a 1, about 17 of them in test: too few to tell models apart"
    assert (told in task.to_check) is is_told
