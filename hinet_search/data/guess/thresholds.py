"""Thresholds: labels that are 1 where a number, such as a rating, is large enough."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from hinet_search.common.amounts import percent
from hinet_search.common.errors import DataError
from hinet_search.data.guess.column_facts import ColumnFacts
from hinet_search.data.guess.names import LONGEST_NAME, task_names

RATING_WORDS = "rating ratings rate rated stars star score grade 评分 星级"
MOST_RATINGS = 20  # distinct values
NUMBER = r"-?[0-9]{1,12}(\.[0-9]{1,9})?"  # one that YAML reads as a number too
RULE = re.compile(rf"(?:(?P<name>[^<>=]+)=)?(?P<column>[^<>=]+)(?P<sign>>=?)\s*(?P<bound>{NUMBER})")


@dataclass(frozen=True)
class Threshold:
    """The task `name` is 1 where `column` is above a number, or else at least as large.

    `doubt` says what to check of a threshold that was guessed.
    """

    name: str
    column: str
    bound: str
    is_above: bool = True
    doubt: str = ""

    @property
    def label(self) -> str:
        """The name of the column of 0 and 1 that the guesses see."""
        return f"{self.column} {'above' if self.is_above else 'from'} {self.bound}"

    @property
    def rule(self) -> str:
        """The rule of the task in a definition."""
        return f"{'above' if self.is_above else 'at_least'}: {self.bound}"

    @property
    def expression(self) -> pl.Expr:
        """The label of every row."""
        number = pl.col(self.column).cast(pl.Float64, strict=False)
        bound = float(self.bound)
        is_large = number > bound if self.is_above else number >= bound
        return is_large.cast(pl.Int8).alias(self.label)


def threshold_of(text: str) -> Threshold | None:
    """Read `liked=rating>3` or `rating>=4`; None for anything else."""
    found = RULE.fullmatch(text.strip())
    if found is None:
        return None
    column = found["column"].strip()
    is_above = found["sign"] == ">"
    bound = found["bound"]
    name = (found["name"] or "").strip() or _name(column, bound, is_above=is_above)
    return Threshold(name, column, bound, is_above)


def refuse_thresholds(thresholds: Sequence[Threshold], schema: pl.Schema) -> None:
    """Raise DataError for a threshold of no number, and for a task or label that is there twice."""
    names = Counter(threshold.name for threshold in thresholds)
    labels = Counter([*schema, *(threshold.label for threshold in thresholds)])
    for threshold in thresholds:
        dtype = schema[threshold.column]
        problem = ""
        if not dtype.is_numeric():
            problem = f"'{threshold.column}' must hold numbers to have a threshold, got {dtype}"
        elif labels[threshold.label] > 1:
            problem = f"'{threshold.label}' must be one label, got it twice"
        elif names[threshold.name] > 1:
            problem = f"'{threshold.name}' must be one task, got two"
        if problem:
            raise DataError(f"--task: {problem}", remedy="write it as 'liked=rating>3', once each")


def _name(column: str, bound: str, *, is_above: bool) -> str:
    words = f"{column} {'above' if is_above else 'from'} {bound.replace('.', ' ')}"
    return task_names([words])[0][:LONGEST_NAME]


def labelled(
    columns: Sequence[ColumnFacts], thresholds: Sequence[Threshold]
) -> tuple[ColumnFacts, ...]:
    """The facts; facts of a label say from which column it is made."""
    facts = {column.name: column for column in columns}
    for made in thresholds:
        column = facts[made.label]
        facts[made.label] = replace(column, made_of=made.column, rule=made.rule)
    return tuple(facts.values())


def proposed_threshold(columns: Sequence[ColumnFacts]) -> Threshold | None:
    """The threshold that about half of the first rating's rows exceed; None without a rating."""
    for column in columns:
        is_rating = column.has_word(RATING_WORDS) and column.dtype.is_numeric()
        are_plain = all(re.fullmatch(NUMBER, value) for value, _ in column.values)
        if is_rating and are_plain and 3 <= len(column.values) <= MOST_RATINGS:
            proposed = _nearest_half(column)
            if proposed.label not in {each.name for each in columns}:
                return proposed
    return None


def _nearest_half(column: ColumnFacts) -> Threshold:
    rows_of = sorted((float(value), value, rows) for value, rows in column.values)
    left = column.rows - column.missing
    shares = []
    for _, value, rows in rows_of[:-1]:
        left -= rows
        shares.append((abs(left / column.rows - 0.5), value, left / column.rows))
    _, bound, _ = min(shares)
    others = ", ".join(f"{percent(share)} above {value}" for _, value, share in shares)
    name = _name(column.name, bound, is_above=True)
    doubt = (
        f"a 1 is above {bound} of {rows_of[0][1]} to {rows_of[-1][1]} ({others}); "
        f"--task '{name}={column.name}>{bound}' with another number changes it"
    )
    return Threshold(name, column.name, bound, doubt=doubt)
