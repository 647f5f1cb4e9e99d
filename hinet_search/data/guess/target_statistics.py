"""Proposed statistics: choose keys and a clock of target statistics for a table, with reasons.

Keys are in order of promise: user, item, each of them in a scenario, then attributes of many
values, each followed by itself in a scenario. A clock needs a split in the order of time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from hinet_search.common.amounts import counted
from hinet_search.data.columns import SPLITS
from hinet_search.data.derived.days import day
from hinet_search.data.guess.column_facts import ColumnFacts, Unit, in_words
from hinet_search.data.guess.roles import ColumnRoles
from hinet_search.data.raw_values import as_text

MAX_KEYS = 12
MAX_INPUTS = 120  # a key has an input for its rows and one for every task
MIN_ROWS_OF_ID = 2  # of a value, on average
MIN_ROWS_OF_ATTRIBUTE = 5
MIN_VALUES = 20  # of an attribute
MIN_VALUES_WITHOUT_IDS = 3  # in a scenario, where neither users nor items can be counted
NEARLY_EQUAL = 1.1  # pairs per value: nearly every value is in one scenario only
MIN_DAYS = 4  # of training, for a clock


@dataclass(frozen=True)
class ProposedKey:
    """A key with its reason: how many values it has, and how many rows each of them."""

    columns: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class ProposedClock:
    """A column of time; numbers that grow during a day have a unit."""

    column: str
    reason: str
    unit: Unit | None


@dataclass(frozen=True)
class ProposedStatistics:
    """Keys, and a clock or why there is none."""

    keys: tuple[ProposedKey, ...]
    clock: ProposedClock | None
    why_no_clock: str = ""


def propose_statistics(
    lazy: pl.LazyFrame,
    guesses: ColumnRoles,
    cuts: tuple[str, str] | None,
    *,
    num_tasks: int,
    num_scenarios: int,
) -> ProposedStatistics:
    """Propose keys and a clock; `lazy` is the numbered table, read in two streamed passes.

    `cuts` are the cut points of a split by time.
    """
    ids = {}
    for noun, role in (("user", guesses.user), ("item", guesses.item)):
        if role is not None and _rows_each(role.column) >= MIN_ROWS_OF_ID:
            ids[role.column] = _key(role.column, role.column.num_values, noun, role.name)
    has_scenarios = num_scenarios > 1
    attributes = _attributes(guesses, has_ids=bool(ids))
    in_scenario: dict[ColumnFacts, ProposedKey] = {}
    if guesses.scenario is not None and has_scenarios:
        in_scenario = _keys_in_scenario(lazy, guesses, [*ids, *attributes])
    keys = [*ids.values(), *(in_scenario[id_] for id_ in ids if id_ in in_scenario)]
    for column in attributes:
        if column.num_values >= MIN_VALUES or not has_scenarios:
            keys.append(_key(column, column.num_values, "value", column.name))
        if column in in_scenario:
            keys.append(in_scenario[column])
    most_keys = min(MAX_KEYS, max(2, MAX_INPUTS // (1 + num_tasks)))
    clock, why_no_clock = _clock(lazy, guesses, cuts)
    return ProposedStatistics(tuple(keys[:most_keys]), clock, why_no_clock)


def _rows_each(column: ColumnFacts, num_values: int | None = None) -> float:
    """Rows of a value of a column, or of so many pairs with it, on average."""
    return (column.rows - column.missing) / max(num_values or column.num_values, 1)


def _key(column: ColumnFacts, num_values: int, noun: str, *names: str) -> ProposedKey:
    """A key with a reason such as `about 12,034 users, 9.4 rows each`."""
    rows = _rows_each(column, num_values)
    nouns = noun if num_values == 1 else f"{noun}s"
    digits = 1 if rows < 10 else 0
    return ProposedKey(names, f"{in_words(num_values)} {nouns}, {rows:,.{digits}f} rows each")


def _attributes(guesses: ColumnRoles, *, has_ids: bool) -> list[ColumnFacts]:
    """Categorical features that are surely known before the label, most values first.

    Without ids, attributes of few values are taken too: in a scenario, or by themselves where there
    is only one scenario.
    """
    fewest_values = MIN_VALUES if has_ids else MIN_VALUES_WITHOUT_IDS
    sure = [guess.column for guess in guesses.categorical if not guess.to_check]
    attributes = [column for column in sure if column not in guesses.ids]
    attributes = [column for column in attributes if column.num_values >= fewest_values]
    attributes = [column for column in attributes if _rows_each(column) >= MIN_ROWS_OF_ATTRIBUTE]
    attributes.sort(key=lambda column: -column.num_values)
    return attributes[:MAX_KEYS]


def _keys_in_scenario(
    lazy: pl.LazyFrame, guesses: ColumnRoles, columns: Sequence[ColumnFacts]
) -> dict[ColumnFacts, ProposedKey]:
    """Columns together with the scenario.

    Pairs with too few rows are left out, and columns whose values are in one scenario each.
    """
    assert guesses.scenario is not None, "only called with a scenario"
    scenario = guesses.scenario.column
    counts_of_pairs = []
    for column in columns:
        has_both = pl.col(column.key).is_not_null() & pl.col(scenario.key).is_not_null()
        pairs = pl.when(has_both).then(pl.struct(column.key, scenario.key).hash())
        counts_of_pairs.append(pairs.drop_nulls().approx_n_unique().alias(column.key))
    counts = lazy.select(counts_of_pairs).collect(engine="streaming")
    keys = {}
    for column in columns:
        num_pairs = min(counts[column.key].item(), column.num_values * scenario.num_values)
        min_rows = MIN_ROWS_OF_ID if column in guesses.ids else MIN_ROWS_OF_ATTRIBUTE
        are_enough = num_pairs > NEARLY_EQUAL * column.num_values
        if are_enough and _rows_each(column, num_pairs) >= min_rows:
            keys[column] = _key(column, num_pairs, "pair", column.name, scenario.name)
    return keys


def _clock(
    lazy: pl.LazyFrame, guesses: ColumnRoles, cuts: tuple[str, str] | None
) -> tuple[ProposedClock | None, str]:
    """The clock, or why there is none."""
    if guesses.time is None:
        return None, "there is no time column"
    time = guesses.time.column
    unit = time.unit
    day_length = unit.day if unit else None
    if guesses.split is not None:
        num_days = _days_of_ordered_split(lazy, guesses.split.column, time, day_length)
        if num_days is None:
            return None, f"the parts of the split are not in the order of {time.name}"
    elif cuts is not None:
        num_days = _days_before(lazy, time, day_length, cuts[0])
    else:
        return None, "the split is random"
    if num_days < MIN_DAYS:
        return None, f"train has {counted(num_days, 'day')}, and a clock needs {MIN_DAYS}"
    reason = f"{counted(num_days, 'day')} of train; a row counts labels of earlier days"
    return ProposedClock(time.name, reason, unit), ""


def _days_of_ordered_split(
    lazy: pl.LazyFrame, split: ColumnFacts, time: ColumnFacts, day_length: int | None
) -> int | None:
    """Days of train by a split column; None where train, valid and test are not in order."""
    column = pl.col(time.key)
    days = day(column, time.dtype, day_length).n_unique()
    facts = [column.min().alias("first"), column.max().alias("last"), days.alias("days")]
    spans = lazy.group_by(split.key).agg(facts).collect(engine="streaming")
    span_of = dict(zip(as_text(spans[split.key]), spans.rows(named=True), strict=True))
    parts = split.parts
    train, valid, test = (span_of[parts[part]] for part in SPLITS)
    is_ordered = train["last"] <= valid["first"] <= test["first"]
    return train["days"] if is_ordered else None


def _days_before(lazy: pl.LazyFrame, time: ColumnFacts, day_length: int | None, cut: str) -> int:
    """Whole days before a cut point of a split by time."""
    if time.is_number:
        first_day = pl.select(day(pl.lit(int(cut)), pl.Int64(), day_length)).item()
    else:
        first_day = date.fromisoformat(cut[:10])
    days = lazy.select(day(pl.col(time.key), time.dtype, day_length).alias("day")).unique()
    before = days.filter(pl.col("day") < first_day).select(pl.len())
    return int(before.collect(engine="streaming").item())
