"""Second labels: columns of yes and no that may be labels too, beside those named like a task.

Nothing in such a column says whether it is known before the row's labels: `finished` is another
label, `is_member` a feature. One that its user or item always has is an attribute of it. One that
is named like an event is proposed as a task, and any other is neither, to be looked at.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from hinet_search.data.frequent import is_positive
from hinet_search.data.guess import names
from hinet_search.data.guess.column_facts import ColumnFacts
from hinet_search.data.guess.column_roles import LABEL_OR_FEATURE, label_in_words
from hinet_search.data.guess.roles import ColumnRole, ColumnRoles

SAME = 0.95  # of the pairs of rows of an id, in an attribute of it
MIN_PAIRS = 30
NEITHER = "a label, or known before? make it a task, or list it as a feature"
MIN_OF_A_SET = 3  # columns that share their first word, such as color_red and color_blue


@dataclass(frozen=True)
class SecondLabels:
    """Columns that are proposed as tasks, and those that are neither task nor feature.

    Roles stay as they are where no feature would be left.
    """

    tasks: tuple[ColumnFacts, ...]
    neither: tuple[ColumnFacts, ...]

    def as_tasks(self, roles: ColumnRoles) -> ColumnRoles:
        """The roles with tasks after those that were found before."""
        rest = roles.without([column.name for column in self.tasks])
        tasks = [
            ColumnRole(column, label_in_words(column), LABEL_OR_FEATURE) for column in self.tasks
        ]
        return replace(rest, tasks=(*roles.tasks, *tasks)) if rest else roles

    def out_of_features(self, roles: ColumnRoles) -> ColumnRoles:
        """The roles with what is neither among the outcomes."""
        neither = [column for column in self.neither if column in roles.features]
        rest = roles.without([column.name for column in neither])
        outcomes = [ColumnRole(column, label_in_words(column), NEITHER) for column in neither]
        return replace(rest, outcomes=(*roles.outcomes, *outcomes)) if rest else roles


def second_labels(lazy: pl.LazyFrame, roles: ColumnRoles, *, are_tasks_given: bool) -> SecondLabels:
    """The features of yes and no that may be labels; `lazy` is the numbered table.

    None is proposed as a task where tasks are given.
    """
    flags = [column for column in roles.features if column.positive and column not in roles.ids]
    flags = [column for column in flags if not _is_known_before(column, flags)]
    for id_ in roles.ids:
        attributes = _attributes_of(lazy, id_, flags)
        flags = [column for column in flags if column.name not in attributes]
    tasks = []
    if not are_tasks_given:
        tasks = [column for column in flags if names.is_event(column.name)]
    neither = [column for column in flags if column not in tasks]
    return SecondLabels(tuple(tasks), tuple(neither))


def _is_known_before(column: ColumnFacts, flags: Sequence[ColumnFacts]) -> bool:
    """Whether a name says so, or it is one of a set of columns that stand for one category."""
    first, *others = names.words_of(column.name) or [""]
    of_set = [flag for flag in flags if others and names.words_of(flag.name)[:1] == [first]]
    is_of_set = len(of_set) >= MIN_OF_A_SET and first not in names.VERBS
    return is_of_set or names.has_word(column.name, names.KNOWN_BEFORE_WORDS)


def _attributes_of(lazy: pl.LazyFrame, id_: ColumnFacts, flags: Sequence[ColumnFacts]) -> list[str]:
    """The columns that nearly all rows of a value of the id agree in."""
    if not flags:
        return []
    num_ones = [is_positive(flag).sum().cast(pl.Int64).alias(flag.key) for flag in flags]
    by_id = lazy.drop_nulls(id_.key).group_by(id_.key)
    lengths_and_ones = by_id.agg(pl.len().alias("rows"), *num_ones)
    counts: pl.DataFrame = lengths_and_ones.collect(engine="streaming")
    rows = counts["rows"].cast(pl.Int64)
    return [flag.name for flag in flags if _agree(rows, counts[flag.key])]


def _agree(rows: pl.Series, ones: pl.Series) -> bool:
    """Whether two rows of an id have the same value nearly always, of yes and of no."""
    for same in (ones, rows - ones):
        num_pairs = int((same * (rows - 1)).sum())
        if num_pairs < MIN_PAIRS or int((same * (same - 1)).sum()) < SAME * num_pairs:
            return False
    return True
