"""Proposed crosses: choose pairs of fields whose label rates say more than those of both alone.

A pair is proposed if its gain out of fold is above so many standard errors that noise alone hardly
ever proposes any of all pairs. Rows of one user count as one piece of evidence; where both fields
describe the item, those of one item.
Shape legend: R rows, U users or items.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from statistics import NormalDist

import numpy as np
import polars as pl

from hinet_search.data.frequent import SPLIT_CODE, is_positive
from hinet_search.data.guess.column_facts import ColumnFacts
from hinet_search.data.guess.pair_gains import Codes, JudgedRows, PairGain
from hinet_search.data.guess.roles import ColumnRoles
from hinet_search.data.hashing import uniform
from hinet_search.data.reading import OWN, is_pattern
from hinet_search.study.event_definition import key_name

MAX_ROWS = 200_000  # of training; every k-th of more
MAX_FIELDS = 30  # those of the fewest values
MAX_VALUES = 200  # of a field
MIN_ROWS_OF_PAIR = 20  # on average
MIN_LABELS = 100  # of either class
MIN_UNITS = 50  # users or items
MAX_CROSSES = 5
FEWEST_ERRORS = 3.0  # standard errors
FALSE_RATE = 0.05  # of tables of noise, at most so many with any proposal
NEARLY_EQUAL = 1.1  # pairs per item: nearly every item has one value
LABEL = f"{OWN}label "
HAS_LABEL = f"{OWN}has label "
PLACE = f"{OWN}place"


@dataclass(frozen=True)
class ProposedCross:
    """A pair of categorical features, and what it adds to a task."""

    columns: tuple[str, str]
    task: str
    gain: PairGain

    @property
    def reason(self) -> str:
        """`adds 0.0123 nats a row to click out of fold, standard error 0.0004`."""
        gain = f"adds {self.gain.gain:.2g} nats a row to {self.task} out of fold"
        return f"{gain}, standard error {self.gain.error:.1g}"


@dataclass(frozen=True, eq=False)
class _Units:
    """The user, item or row that a row belongs to (R,), and the half of each (R,)."""

    unit_R: Codes
    half_R: Codes

    @property
    def are_enough(self) -> bool:
        return int(self.unit_R.max(initial=-1)) + 1 >= MIN_UNITS


@dataclass(frozen=True)
class _Field:
    """A column with the codes of its values (R,), 0 where one is missing."""

    name: str
    code_R: Codes
    is_of_item: bool


@dataclass(frozen=True)
class _TrainingRows:
    """Some training rows of the numbered table, and the columns that identify users and items."""

    frame: pl.DataFrame
    user: ColumnFacts | None
    item: ColumnFacts | None

    @cached_property
    def by_item(self) -> _Units:
        return self._units(self.item)

    @cached_property
    def by_user(self) -> _Units:
        return self._units(self.user)

    def _units(self, column: ColumnFacts | None) -> _Units:
        """Rows by a column; a row without a value, and every one without a column, is its own."""
        code_R = np.arange(len(self.frame))
        if column is not None:
            known_R = _codes(self.frame[column.key])
            code_R = np.where(known_R > 0, known_R, len(self.frame) + code_R)
            code_R = np.unique(code_R, return_inverse=True)[1]
        half_R = uniform(code_R.astype(np.uint64), seed=0) < 0.5
        return _Units(code_R, half_R.astype(np.int64))

    def field(self, column: ColumnFacts) -> _Field:
        code_R = _codes(self.frame[column.key])
        is_of_item = False
        if self.item is not None:
            item_R = _codes(self.frame[self.item.key])
            num_pairs = np.unique(item_R * (code_R.max() + 1) + code_R).size
            is_of_item = num_pairs <= NEARLY_EQUAL * np.unique(item_R).size
        return _Field(column.name, code_R, is_of_item)


def propose_crosses(
    lazy: pl.LazyFrame, roles: ColumnRoles, tasks: Mapping[str, ColumnFacts], taken: Collection[str]
) -> tuple[ProposedCross, ...]:
    """The pairs that add most, the best first.

    `lazy` is the numbered table with the split of every row in the column SPLIT_CODE. `tasks` are
    labels by the name of the task; of amounts it counts whether they are above 0. `taken` are the
    names of all columns.
    """
    columns = _candidates(roles)
    if len(columns) < 2:
        return ()
    rows = _training_rows(lazy, roles, columns, tasks)
    if not len(rows.frame):
        return ()
    fields = [rows.field(column) for column in columns]
    gains = [*_gains(rows, fields, tasks)]
    least = max(FEWEST_ERRORS, NormalDist().inv_cdf(1 - FALSE_RATE / max(2, len(gains))))
    best: dict[str, ProposedCross] = {}
    for proposed in sorted(gains, key=lambda each: -each.gain.gain):
        name = key_name(proposed.columns)
        if proposed.gain.is_above(least) and name not in taken and not is_pattern(name):
            best.setdefault(name, proposed)
    return tuple(best.values())[:MAX_CROSSES]


def _candidates(roles: ColumnRoles) -> list[ColumnFacts]:
    """Categorical features of few values that are surely known before the label."""
    columns = [
        role.column
        for role in roles.categorical
        if not role.to_check and 2 <= role.column.num_values <= MAX_VALUES
    ]
    order = {column.name: place for place, column in enumerate(columns)}
    fewest = sorted(columns, key=lambda column: column.num_values)[:MAX_FIELDS]
    return sorted(fewest, key=lambda column: order[column.name])


def _training_rows(
    lazy: pl.LazyFrame,
    roles: ColumnRoles,
    columns: Sequence[ColumnFacts],
    tasks: Mapping[str, ColumnFacts],
) -> _TrainingRows:
    """Every k-th training row, with its labels."""
    user = None if roles.user is None else roles.user.column
    item = None if roles.item is None else roles.item.column
    keys = dict.fromkeys(column.key for column in (*columns, *roles.ids))
    labels = [is_positive(column).alias(f"{LABEL}{name}") for name, column in tasks.items()]
    known = [
        pl.col(column.key).is_not_null().alias(f"{HAS_LABEL}{name}")
        for name, column in tasks.items()
    ]
    step = -(-columns[0].rows // MAX_ROWS)
    train = lazy.with_row_index(PLACE).filter(pl.col(PLACE) % step == 0, pl.col(SPLIT_CODE) == 0)
    frame = train.select(*keys, *labels, *known).collect(engine="streaming")
    return _TrainingRows(frame, user, item)


def _gains(
    rows: _TrainingRows, fields: Sequence[_Field], tasks: Collection[str]
) -> Iterator[ProposedCross]:
    """The gains of all pairs that have enough rows, users or items, and labels."""
    for task in tasks:
        has_label_R = rows.frame[f"{HAS_LABEL}{task}"].to_numpy()
        label_R = rows.frame[f"{LABEL}{task}"].to_numpy()[has_label_R]
        num_ones = int(label_R.sum())
        if not MIN_LABELS <= num_ones <= label_R.size - MIN_LABELS:
            continue
        codes = {field.name: field.code_R[has_label_R] for field in fields}
        judged = {}
        for units in (rows.by_item, rows.by_user):
            judged[units] = JudgedRows(
                label_R, units.unit_R[has_label_R], units.half_R[has_label_R]
            )
        for first, second in combinations(fields, 2):
            units = rows.by_item if first.is_of_item and second.is_of_item else rows.by_user
            if not units.are_enough:
                continue
            pair = (first.name, second.name)
            gain = judged[units].gain(codes[first.name], codes[second.name], MIN_ROWS_OF_PAIR)
            if gain is not None:
                yield ProposedCross(pair, task, gain)


def _codes(values: pl.Series) -> Codes:
    """Numbers of the values from 1, 0 where one is missing."""
    coded = values.cast(pl.String).to_arrow().dictionary_encode()
    codes: Codes = 1 + coded.indices.fill_null(-1).to_numpy().astype(np.int64)
    return codes
