"""Whole numbers that name something are proposed as ids; all kinds of amounts stay numbers."""

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from hinet_search.data.definition_text import GuessedTable, definition_text
from hinet_search.data.guess.guess_table import guessed_table
from hinet_search.data.guess.numbered_ids import DOUBT, is_numbered_id

NUM_ROWS = 60_000
Numbers = NDArray[np.int64]


def of_entities(generator: np.random.Generator, value_E: Numbers) -> Numbers:
    """A number of each of some entities, of which a few have most rows."""
    share_E = generator.permutation(1 / np.arange(1, len(value_E) + 1) ** 0.6)
    return generator.choice(value_E, NUM_ROWS, p=share_E / share_E.sum())


def daily_flights(generator: np.random.Generator) -> Numbers:
    """Every carrier has numbers of its own: some of every day, others of a few days."""
    ranges = [(1, 1_800), (300, 2_600), (3_200, 6_100)]
    numbers = [generator.choice(np.arange(*each), 800, replace=False) for each in ranges]
    return of_entities(generator, np.unique(np.concatenate(numbers)))


IDS: dict[str, Callable[[np.random.Generator], Numbers]] = {
    "flights": daily_flights,
    "shops numbered from 1": lambda generator: of_entities(generator, np.arange(1, 1_500)),
    "postcodes": lambda generator: of_entities(
        generator, generator.choice(np.arange(10_000, 13_000), 2_000, replace=False)
    ),
}
AMOUNTS: dict[str, Callable[[np.random.Generator], Numbers]] = {
    "minutes": lambda generator: generator.gamma(4, 150, NUM_ROWS).astype(int),
    "distances of routes": lambda generator: of_entities(
        generator, generator.gamma(2, 900, 400).astype(int) * 2 + 61
    ),
    "prices that end in 9": lambda generator: of_entities(
        generator, np.round(generator.gamma(2, 60, 2_000)).astype(int) * 10 + 9
    ),
    "round salaries": lambda generator: of_entities(
        generator, generator.integers(200, 1_500, 900) * 50
    ),
    "clock times": lambda generator: (
        generator.integers(0, 24, NUM_ROWS) * 100 + 5 * generator.integers(0, 12, NUM_ROWS)
    ),
    "uniform numbers": lambda generator: generator.integers(1, 2_400, NUM_ROWS),
    "counts, most of them 0": lambda generator: (
        generator.negative_binomial(0.3, 0.001, NUM_ROWS) * generator.integers(0, 2, NUM_ROWS)
    ),
    "powers": lambda generator: np.exp(generator.normal(6, 1.2, NUM_ROWS)).astype(int),
    "ages in days": lambda generator: generator.normal(14_000, 900, NUM_ROWS).astype(int),
    "years": lambda generator: generator.integers(1950, 2024, NUM_ROWS),
    "followers of a few hundred": lambda generator: of_entities(
        generator, np.exp(generator.normal(8, 1.5, 800)).astype(int)
    ),
    "moments": lambda generator: np.sort(generator.integers(0, 86_400, NUM_ROWS)) + 1_700_000_000,
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", IDS)
def test_numbers_that_name_something_are_ids(kind: str, seed: int) -> None:
    assert is_numbered_id(pl.Series(IDS[kind](np.random.default_rng(seed))))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", AMOUNTS)
def test_amounts_of_all_kinds_are_none(kind: str, seed: int) -> None:
    assert not is_numbered_id(pl.Series(AMOUNTS[kind](np.random.default_rng(seed))))


@pytest.mark.parametrize("values", [[], [None, None], [float("nan")], [0.0, 1e300], [2**62, 1]])
def test_columns_of_no_or_of_odd_values_are_none(values: list[float | None]) -> None:
    assert not is_numbered_id(pl.Series(values, dtype=pl.Float64))


def guessed(**columns: Numbers | list[float | None]) -> GuessedTable:
    generator = np.random.default_rng(0)
    rows = pl.DataFrame(
        {
            "place": generator.choice(["home", "search"], NUM_ROWS),
            "click": generator.integers(0, 2, NUM_ROWS),
            "fee": generator.normal(0, 1, NUM_ROWS),
            **columns,
        }
    )
    return guessed_table(rows.lazy(), "rows", {"kind": "table", "path": "rows.csv"})


def test_such_a_column_is_a_doubted_category_and_an_amount_by_its_name_is_not() -> None:
    numbers = daily_flights(np.random.default_rng(0))
    minutes = AMOUNTS["minutes"](np.random.default_rng(0))
    with_gaps = [None if row % 9 == 0 else float(each) for row, each in enumerate(numbers)]
    guesses = guessed(flight=numbers, price=numbers, gappy=with_gaps, air_time=minutes).guesses
    doubts = {role.column.name: role.to_check for role in guesses.categorical}
    assert doubts == {"flight": DOUBT, "gappy": DOUBT}
    assert [role.column.name for role in guesses.numeric] == ["fee", "price", "air_time"]


def test_a_number_that_an_id_of_the_table_tells_stays_a_number() -> None:
    """Its rows are as rough as those of an id, since some items are popular."""
    generator = np.random.default_rng(0)
    share = 1 / np.sqrt(np.arange(1, 1_001))
    item = generator.choice(1_000, NUM_ROWS, p=share / share.sum())
    strength = generator.integers(0, 500, 1_000)[item]
    assert is_numbered_id(pl.Series(strength))
    names = [f"film {each}" for each in item]
    guesses = guessed(film=names, strength=strength).guesses
    assert "strength" in [role.column.name for role in guesses.numeric]
    of_itself = guessed(strength=strength).guesses
    assert "strength" in [role.column.name for role in of_itself.categorical]


def test_numbered_columns_of_one_name_stay_numbers() -> None:
    numbers = daily_flights(np.random.default_rng(0))
    guesses = guessed(x1=numbers, x2=numbers).guesses
    assert [role.column.name for role in guesses.numeric] == ["fee", "x1", "x2"]


@pytest.mark.parametrize(
    ("moments", "comment"),
    [
        (np.arange(NUM_ROWS) + 1_700_000_000, "seconds, 2023-11-14 to 2023-11-15"),
        (np.arange(NUM_ROWS) * 1_000 + 1_700_000_000_000, "milliseconds, 2023-11-14 to 2023-11-15"),
        (20_260_501 + np.arange(NUM_ROWS) % 9, "dates, 2026-05-01 to 2026-05-09"),
    ],
)
def test_numbers_whose_unit_tells_the_years_of_a_log_are_its_time_without_a_doubt(
    moments: Numbers, comment: str
) -> None:
    text = definition_text(guessed(time=moments))
    (line,) = [line for line in text.splitlines() if line.startswith("time:")]
    assert line.endswith(f": {comment}")
    assert "check" not in line


def test_numbers_of_other_years_and_no_dates_are_doubted() -> None:
    for first in (100_000_001, 9_000_000_000, 20_260_591):
        time = guessed(time=np.arange(NUM_ROWS) + first).guesses.time
        assert time is not None
        assert time.to_check == "do these numbers grow with time?"
    assert datetime.fromtimestamp(100_000_001, UTC).year < 1990
