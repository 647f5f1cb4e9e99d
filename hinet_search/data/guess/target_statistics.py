"""Proposed statistics: choose keys and a clock of target statistics for a table, with reasons.

Keys are in order of promise: user, item, each of them in a scenario, then attributes of many
values, each followed by itself in a scenario. A clock needs a split in the order of time.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice

import polars as pl

from hinet_search.common.amounts import counted
from hinet_search.data.columns import SPLITS
from hinet_search.data.derived.days import day, days_of
from hinet_search.data.derived.statistics import statistic_names
from hinet_search.data.guess.column_facts import ColumnFacts, in_words
from hinet_search.data.guess.moments import unit_of
from hinet_search.data.guess.names import parts_of
from hinet_search.data.guess.roles import ColumnRoles
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
    """A column of time; numbers that grow during a day have the length of a day in their `unit`."""

    column: str
    reason: str
    day_length: int | None = None
    unit: str = ""


@dataclass(frozen=True)
class ProposedStatistics:
    """Keys, users and items with too few rows to be one, and a clock or why there is none."""

    keys: tuple[ProposedKey, ...]
    left_out: tuple[ProposedKey, ...]
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

    @property
    def is_frequent(self) -> bool:
        """Whether values of the column have enough rows."""
        return self.has_enough(self.column.num_values)

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
    of_noun = {"user": guesses.user, "item": guesses.item}
    ids = [_Candidate(id_.column, noun, MIN_ROWS_OF_ID) for noun, id_ in of_noun.items() if id_]
    known_ids = [candidate for candidate in ids if candidate.is_frequent]
    attributes = _attributes(guesses, has_ids=bool(known_ids), has_scenarios=num_scenarios > 1)
    in_scenario = {}
    if guesses.scenario is not None and num_scenarios > 1:
        scenario = guesses.scenario.column
        in_scenario = _keys_in_scenario(lazy, scenario, [*known_ids, *attributes])
    keys = _with_own_names(_keys(known_ids, attributes, in_scenario), tasks, columns)
    most_keys = min(MAX_KEYS, max(2, MAX_INPUTS // (1 + len(tasks))))
    clock, why_no_clock = _clock(lazy, guesses, cuts)
    return ProposedStatistics(
        keys=tuple(islice(keys, most_keys)),
        left_out=tuple(candidate.key for candidate in ids if not candidate.is_frequent),
        clock=clock,
        why_no_clock=why_no_clock,
    )


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
        if is_sure and num_values >= fewest_values and candidate.is_frequent:
            attributes.append(candidate)
    attributes.sort(key=lambda candidate: -candidate.column.num_values)
    return attributes[:MAX_KEYS]


def _keys_in_scenario(
    lazy: pl.LazyFrame, scenario: ColumnFacts, candidates: Sequence[_Candidate]
) -> dict[str, ProposedKey]:
    """Candidates together with the scenario, by column.

    Pairs with too few rows are left out, and columns whose values are in one scenario each.
    """
    if not candidates:
        return {}
    counts_of_pairs = []
    for candidate in candidates:
        key = candidate.column.key
        has_both = pl.col(key).is_not_null() & pl.col(scenario.key).is_not_null()
        pairs = pl.when(has_both).then(pl.struct(key, scenario.key).hash())
        counts_of_pairs.append(pairs.drop_nulls().approx_n_unique().alias(key))
    counts = lazy.select(counts_of_pairs).collect(engine="streaming").row(0)
    keys = {}
    for candidate, approximately in zip(candidates, counts, strict=True):
        name = candidate.column.name
        num_values = candidate.column.num_values
        num_pairs = min(approximately, num_values * scenario.num_values)
        if num_pairs > NEARLY_EQUAL * num_values and candidate.has_enough(num_pairs):
            keys[name] = ProposedKey((name, scenario.name), candidate.reason(num_pairs, "pair"))
    return keys


def _keys(
    ids: Sequence[_Candidate],
    attributes: Sequence[_Candidate],
    in_scenario: Mapping[str, ProposedKey],
) -> Iterator[ProposedKey]:
    """All keys in order of promise."""
    yield from (candidate.key for candidate in ids)
    names = [candidate.column.name for candidate in ids]
    yield from (in_scenario[name] for name in names if name in in_scenario)
    for candidate in attributes:
        if candidate.is_key:
            yield candidate.key
        if candidate.column.name in in_scenario:
            yield in_scenario[candidate.column.name]


def _with_own_names(
    keys: Iterable[ProposedKey], tasks: Sequence[str], columns: Sequence[ColumnFacts]
) -> Iterator[ProposedKey]:
    """The keys whose inputs have names that neither a column nor an earlier key has."""
    taken = {column.name for column in columns}
    for key in keys:
        names = statistic_names(StatisticsDefinition(by=(key.columns,)), tasks)
        if taken.isdisjoint(names):
            taken |= set(names)
            yield key


def _clock(
    lazy: pl.LazyFrame, guesses: ColumnRoles, cuts: tuple[str, str] | None
) -> tuple[ProposedClock | None, str]:
    """The clock, or why there is none."""
    if guesses.time is None:
        return None, "there is no time column"
    time = guesses.time.column
    unit, length = unit_of(time)
    if guesses.split is not None:
        num_days = _days_of_ordered_split(lazy, guesses.split.column, time, length)
        if num_days is None:
            return None, f"the parts of the split are not in the order of {time.name}"
    elif cuts is not None:
        num_days = _days_before(lazy, time, length, cuts[0])
    else:
        return None, "the split is random"
    if num_days < MIN_DAYS:
        return None, f"train has {counted(num_days, 'day')}, and a clock needs {MIN_DAYS}"
    reason = f"{counted(num_days, 'day')} of train; a row counts labels of earlier days"
    return ProposedClock(time.name, reason, length, unit), ""


def _days_of_ordered_split(
    lazy: pl.LazyFrame, split: ColumnFacts, time: ColumnFacts, length: int | None
) -> int | None:
    """Days of train by a split column; None where train, valid and test are not in order."""
    column = pl.col(time.key)
    spans = (
        lazy.group_by(split.key)
        .agg(
            column.min().alias("first"),
            column.max().alias("last"),
            day(column, time.dtype, length).n_unique().alias("days"),
        )
        .collect(engine="streaming")
    )
    part_of = {value: part for part, value in parts_of([text for text, _ in split.values]).items()}
    parts = as_text(spans[split.key]).replace_strict(part_of, default=None).to_list()
    spans_of = dict(zip(parts, spans.rows(named=True), strict=True))
    train, valid, test = (spans_of[part] for part in SPLITS)
    is_ordered = train["last"] <= valid["first"] <= test["first"]
    return train["days"] if is_ordered else None


def _days_before(lazy: pl.LazyFrame, time: ColumnFacts, length: int | None, cut: str) -> int:
    """Whole days before a cut point of a split by time."""
    if time.is_number:
        first_day = days_of(pl.Series([int(cut)]), length).item()
    else:
        first_day = date.fromisoformat(cut[:10])
    days = lazy.select(day(pl.col(time.key), time.dtype, length).alias("day")).unique()
    before = days.filter(pl.col("day") < first_day).select(pl.len())
    return int(before.collect(engine="streaming").item())
