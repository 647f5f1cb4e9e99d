"""Lists: find texts that a separator splits into entries, such as `Action|Comedy|Drama`.

They are lists with a vocabulary of their own. Texts of what a user did before (histories) are left
out: they may hold what is to be predicted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from hinet_search.data.guess import names
from hinet_search.data.guess.column_facts import ColumnFacts, name_reason
from hinet_search.data.guess.roles import ColumnRole, ColumnRoles
from hinet_search.data.lists import split_texts

SEPARATORS = "|;,/"
SAMPLE_ROWS = 10_000
MIN_SEPARATED = 0.1  # of the rows with a text: those that have the separator
MIN_OTHER_LENGTH = 0.05  # of the texts: those with another number of entries than most
MAX_DISTINCT = 0.7  # distinct entries per distinct text; with more, texts are as good as entries
MIN_REPEATS = 3  # texts that an entry is in, on average
LONGEST_ENTRY = 40  # characters
MAX_WORDS = 3  # of an entry, on average: free text has more between its commas
MAX_LENGTH = 50  # slots that a definition gives a list
MOSTLY = 0.5  # of the distinct entries
MIN_COVERED = 0.2  # of the ids; small numbers such as tags are ids too, but only of few users
HISTORY = (
    "texts of values of '{ids}' with '{separator}' between them; to use them see `lists` "
    "in docs/data.md (`item`, `separator`): they must end before the first row"
)
NUMBER = r"^[+-]?\d+(\.\d+)?$"


@dataclass(frozen=True)
class GuessedList:
    """A column of texts that is a list."""

    column: ColumnFacts
    separator: str
    num_entries: int  # distinct ones
    longest: int  # entries in a row

    @property
    def reason(self) -> str:
        """`18 entries, at most 6 a row`."""
        return f"{self.num_entries:,} entries, at most {self.longest} a row"

    @property
    def length(self) -> int:
        """The number of entries that are used."""
        return min(self.longest, MAX_LENGTH)


def guess_lists(
    lazy: pl.LazyFrame, roles: ColumnRoles
) -> tuple[ColumnRoles, tuple[GuessedList, ...]]:
    """Take columns that are lists out of the other roles; `lazy` is the numbered table.

    Texts that list users or items of the table are left out, with the reason. Roles stay as they
    are if no feature would be left beside the lists.
    """
    lists: list[GuessedList] = []
    histories: list[ColumnRole] = []
    for role in (*roles.categorical, *roles.left_out):
        column = role.column
        if column in roles.ids or not _may_be_list(column):
            continue
        texts = lazy.select(pl.col(column.key).cast(pl.String)).drop_nulls()
        separator = _separator(texts.head(SAMPLE_ROWS).collect().to_series())
        if not separator:
            continue
        entries = split_texts(texts.unique().collect(engine="streaming").to_series(), separator)
        if not _are_entries(entries, separator):
            continue
        of_ids = _column_with(entries, lazy, roles.ids)
        if of_ids is not None:
            reason = HISTORY.format(ids=of_ids.name, separator=separator)
            histories.append(ColumnRole(column, reason))
            continue
        num_entries = entries.explode().drop_nulls().n_unique()
        longest = int(entries.list.len().to_numpy().max())
        lists.append(GuessedList(column, separator, num_entries, longest))
    taken = {list_.column.name for list_ in lists} | {history.name for history in histories}
    rest = roles.without(taken)
    if rest is None:
        return roles, ()
    left_out = [role for role in roles.left_out if role.name not in taken]
    return replace(rest, left_out=(*left_out, *histories)), tuple(lists)


def _may_be_list(column: ColumnFacts) -> bool:
    is_dated = column.holds_dates_as_text or column.holds_decimal_commas
    is_named = not name_reason(column.name) and len(column.name) <= names.LONGEST_NAME
    return column.is_text and is_named and not is_dated and column.num_values > MIN_REPEATS


def _separator(texts: pl.Series) -> str:
    """The separator that most rows have; empty where none is in enough of them."""
    shares = {}
    for separator in SEPARATORS if len(texts) else "":
        shares[separator] = texts.str.contains(separator, literal=True).to_numpy().mean()
    best = max(shares, key=lambda separator: shares[separator], default="")
    return best if shares.get(best, 0.0) >= MIN_SEPARATED else ""


def _are_entries(lists: pl.Series, separator: str) -> bool:
    """Whether texts, split into these lists, have entries that repeat.

    Entries are words or names and no sentences, clearly fewer than texts, and every one is in
    several texts. Texts differ in their number of them, while `Berlin, Germany` always has two.
    Numbers with few of them may be dates, fractions, coordinates or numbers with commas.
    """
    entries = lists.explode().drop_nulls()
    distinct = entries.unique()
    if len(distinct) < 2:
        return False
    are_short = distinct.str.len_chars().to_numpy().max() <= LONGEST_ENTRY
    are_terse = distinct.str.split(" ").list.len().to_numpy().mean() <= MAX_WORDS
    are_few = len(distinct) <= MAX_DISTINCT * len(lists)
    are_repeated = len(entries) >= MIN_REPEATS * len(distinct)
    rows_of_length = np.bincount(lists.list.len().to_numpy())
    vary = rows_of_length.max() <= (1 - MIN_OTHER_LENGTH) * len(lists)
    are_numbers = distinct.str.contains(NUMBER).all()
    are_one_number = are_numbers and (separator == "/" or rows_of_length.size <= 3)
    return bool(
        are_short and are_terse and are_few and are_repeated and vary and not are_one_number
    )


def _column_with(
    lists: pl.Series, lazy: pl.LazyFrame, ids: Sequence[ColumnFacts]
) -> ColumnFacts | None:
    """The first column of ids that has most of the entries among its values.

    Entries that are numbers must also be a good share of the ids.
    """
    distinct = lists.explode().drop_nulls().unique()
    are_numbers = distinct.str.contains(NUMBER).to_numpy().mean() > MOSTLY
    for column in ids:
        if are_numbers and len(distinct) < MIN_COVERED * column.num_values:
            continue
        values = lazy.select(pl.col(column.key).cast(pl.String)).unique().collect().to_series()
        if distinct.is_in(values.drop_nulls().implode()).to_numpy().mean() > MOSTLY:
            return column
    return None
