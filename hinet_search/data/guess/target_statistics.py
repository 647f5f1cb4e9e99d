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
from hinet_search.data.derived.days import day, days_of
from hinet_search.data.derived.statistics import statistic_names
from hinet_search.data.guess.column_facts import ColumnFacts, in_words
from hinet_search.data.guess.moments import Unit, unit_of
from hinet_search.data.guess.roles import ColumnRoles
from hinet_search.data.guess.split_columns import parts_in
from hinet_search.data.raw_values import as_text
from hinet_search.study.statistics_definition import StatisticsDefinition

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


@dataclass(frozen=True)
class _Candidate:
    """A column that may be a key, by itself and in a scenario."""

    column: ColumnFacts
    noun: str  # of its values
    min_rows: int  # that a value needs on average
    is_key: bool = True  # by itself

    @property
    def key(self) -> ProposedKey:
        """The column as a key by itself."""
        return ProposedKey((self.column.name,), self.reason(self.column.num_values, self.noun))

    def has_enough(self, num_values: int) -> bool:
        """Whether each of so many values has enough rows on average."""
        return self._rows_of(num_values) >= self.min_rows

    def reason(self, num_values: int, noun: str) -> str:
        """`about 12,034 users, 9.4 rows each`."""
        rows = self._rows_of(num_values)
        nouns = noun if num_values == 1 else f"{noun}s"
        digits = 1 if rows < 10 else 0
        return f"{in_words(num_values)} {nouns}, {rows:,.{digits}f} rows each"

    def _rows_of(self, num_values: int) -> float:
        return (self.column.rows - self.column.missing) / max(num_values, 1)


def propose_statistics(
    lazy: pl.LazyFrame,
    columns: Sequence[ColumnFacts],
    guesses: ColumnRoles,
    tasks: Sequence[str],
    cuts: tuple[str, str] | None,
    num_scenarios: int,
) -> ProposedStatistics:
    """Propose keys and a clock; `lazy` is the numbered table, read in two streamed passes.

    `cuts` are the cut points of a split by time. Keys whose inputs would have the name of a column
    are left out.
    """
    ids = []
    for noun, role in (("user", guesses.user), ("item", guesses.item)):
        if role is not None:
            candidate = _Candidate(role.column, noun, MIN_ROWS_OF_ID)
            if candidate.has_enough(role.column.num_values):
                ids.append(candidate)
    attributes = _attributes(guesses, has_ids=bool(ids), has_scenarios=num_scenarios > 1)
    in_scenario = {}
    if guesses.scenario is not None and num_scenarios > 1:
        in_scenario = _keys_in_scenario(lazy, guesses.scenario.column, [*ids, *attributes])
    keys = [candidate.key for candidate in ids]
    keys += [in_scenario[each.column.name] for each in ids if each.column.name in in_scenario]
    for candidate in attributes:
        if candidate.is_key:
            keys.append(candidate.key)
        if candidate.column.name in in_scenario:
            keys.append(in_scenario[candidate.column.name])
    most_keys = min(MAX_KEYS, max(2, MAX_INPUTS // (1 + len(tasks))))
    clock, why_no_clock = _clock(lazy, guesses, cuts)
    own_keys = _with_own_names(keys, tasks, columns)[:most_keys]
    return ProposedStatistics(tuple(own_keys), clock, why_no_clock)


def _attributes(guesses: ColumnRoles, *, has_ids: bool, has_scenarios: bool) -> list[_Candidate]:
    """Categorical features that are surely known before the label, those of most values first.

    Without ids, attributes of few values are taken too: in a scenario, or by themselves where there
    is only one scenario.
    """
    fewest_values = MIN_VALUES if has_ids else MIN_VALUES_WITHOUT_IDS
    attributes = []
    for guess in guesses.categorical:
        num_values = guess.column.num_values
        is_key = num_values >= MIN_VALUES or not has_scenarios
        candidate = _Candidate(guess.column, "value", MIN_ROWS_OF_ATTRIBUTE, is_key)
        is_sure = not guess.to_check and guess.column not in guesses.ids
        if is_sure and num_values >= fewest_values and candidate.has_enough(num_values):
            attributes.append(candidate)
    attributes.sort(key=lambda candidate: -candidate.column.num_values)
    return attributes[:MAX_KEYS]


def _keys_in_scenario(
    lazy: pl.LazyFrame, scenario: ColumnFacts, candidates: Sequence[_Candidate]
) -> dict[str, ProposedKey]:
    """Candidates together with the scenario, by column.

    Pairs with too few rows are left out, and columns whose values are in one scenario each.
    """
    counts_of_pairs = []
    for candidate in candidates:
        key = candidate.column.key
        has_both = pl.col(key).is_not_null() & pl.col(scenario.key).is_not_null()
        pairs = pl.when(has_both).then(pl.struct(key, scenario.key).hash())
        counts_of_pairs.append(pairs.drop_nulls().approx_n_unique().alias(key))
    counts = lazy.select(counts_of_pairs).collect(engine="streaming")
    keys = {}
    for candidate in candidates:
        num_values = candidate.column.num_values
        num_pairs = min(counts[candidate.column.key].item(), num_values * scenario.num_values)
        if num_pairs > NEARLY_EQUAL * num_values and candidate.has_enough(num_pairs):
            name = candidate.column.name
            keys[name] = ProposedKey((name, scenario.name), candidate.reason(num_pairs, "pair"))
    return keys


def _with_own_names(
    keys: Sequence[ProposedKey], tasks: Sequence[str], columns: Sequence[ColumnFacts]
) -> list[ProposedKey]:
    """The keys whose inputs have names that neither a column nor an earlier key has."""
    taken = {column.name for column in columns}
    own = []
    for key in keys:
        names = statistic_names(StatisticsDefinition(by=(key.columns,)), tasks)
        if taken.isdisjoint(names):
            taken |= set(names)
            own.append(key)
    return own


def _clock(
    lazy: pl.LazyFrame, guesses: ColumnRoles, cuts: tuple[str, str] | None
) -> tuple[ProposedClock | None, str]:
    """The clock, or why there is none."""
    if guesses.time is None:
        return None, "there is no time column"
    time = guesses.time.column
    unit = unit_of(time)
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
    parts = parts_in(split)
    train, valid, test = (span_of[parts[part]] for part in SPLITS)
    is_ordered = train["last"] <= valid["first"] <= test["first"]
    return train["days"] if is_ordered else None


def _days_before(lazy: pl.LazyFrame, time: ColumnFacts, day_length: int | None, cut: str) -> int:
    """Whole days before a cut point of a split by time."""
    if time.is_number:
        first_day = days_of(pl.Series([int(cut)]), day_length).item()
    else:
        first_day = date.fromisoformat(cut[:10])
    days = lazy.select(day(pl.col(time.key), time.dtype, day_length).alias("day")).unique()
    before = days.filter(pl.col("day") < first_day).select(pl.len())
    return int(before.collect(engine="streaming").item())
