"""Lists: find texts that a separator splits into entries, and columns of lists that are attributes.

`Action|Comedy|Drama` and the tags of an item are lists with a vocabulary of their own. Lists of
what a user did before (histories) are not guessed: they may hold what is to be predicted.
Shape legend: D distinct texts or lists.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.checks import INTEGERS, TEXTS, is_list_of
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
MAX_ATTRIBUTES = 1000  # distinct entries of a column of lists; with more, entries are ids
MAX_LIST = 20  # entries of a row; histories are longer
MAX_LENGTH = 50  # slots that a definition gives a list
MOSTLY = 0.5  # of the distinct entries
MIN_COVERED = 0.2  # of the ids; small numbers such as tags are ids too, but only of few users
HISTORY_WORDS = (
    "history hist seq sequence viewed clicked watched bought ordered liked seen visited recent "
    "last past previous played 历史 浏览"
)
HISTORY = (
    "texts of values of '{ids}' with '{separator}' between them; to use them see `lists` "
    "in docs/data.md (`item`, `separator`): they must end before the first row"
)
KNOWN_BEFORE = "known before the row, and not made from what is to be predicted?"
THOUSANDS = r"^\d{1,3}(,\d{3})*(\.\d+)?$"
NUMBER = r"^[+-]?\d+(\.\d+)?$"


@dataclass(frozen=True)
class GuessedList:
    """A column that is a list with a vocabulary of its own; `to_check` is empty when sure."""

    column: ColumnFacts
    separator: str  # empty for a column of lists
    num_entries: int  # distinct ones
    longest: int  # entries in a row
    to_check: str = ""

    @property
    def reason(self) -> str:
        """`18 entries, at most 6 a row`."""
        return f"{self.num_entries:,} entries, at most {self.longest} a row"

    @property
    def length(self) -> int:
        """The number of entries that are used."""
        return min(self.longest, MAX_LENGTH)


@dataclass(frozen=True)
class _Entries:
    """Distinct texts or lists with their entries, and the text between entries."""

    separator: str
    texts: pl.Series
    lists: pl.Series

    @property
    def num_entries_of_each(self) -> NDArray[np.int64]:
        """The number of entries of every distinct text or list (D,)."""
        return self.lists.list.len().to_numpy().astype(np.int64)

    @property
    def longest(self) -> int:
        """The largest number of entries."""
        return int(self.num_entries_of_each.max(initial=0))

    @property
    def all(self) -> pl.Series:
        """All entries, one text after the other."""
        return self.lists.explode().drop_nulls()

    def guess(self, column: ColumnFacts) -> GuessedList:
        """The guess that a column with these entries is a list."""
        may_be_history = _has_word(column, f"{HISTORY_WORDS} {names.TASK_WORDS}")
        is_sure = self.separator and self.longest <= MAX_LIST and not may_be_history
        doubt = "" if is_sure else KNOWN_BEFORE
        return GuessedList(column, self.separator, self.all.n_unique(), self.longest, doubt)


def guess_lists(
    lazy: pl.LazyFrame, roles: ColumnRoles
) -> tuple[ColumnRoles, tuple[GuessedList, ...]]:
    """Take columns that are lists out of the other roles; `lazy` is the numbered table.

    Texts that list users or items of the table are left out, with the reason.
    """
    roles_of_others = [*roles.categorical, *roles.left_out]
    others = [role.column for role in roles_of_others if role.column not in roles.ids]
    found = [_list_or_history(lazy, column, roles.ids) for column in others]
    guessed = [list_ for list_ in found if isinstance(list_, GuessedList)]
    histories = [history for history in found if isinstance(history, ColumnRole)]
    taken = {list_.column.name for list_ in guessed}
    taken |= {history.column.name for history in histories}
    rest = roles.without(taken)
    if rest is None:
        return roles, ()  # a model needs an input beside its lists
    left_out = [role for role in roles.left_out if role.column.name not in taken]
    return replace(rest, left_out=(*left_out, *histories)), tuple(guessed)


def _list_or_history(
    lazy: pl.LazyFrame, column: ColumnFacts, ids: Sequence[ColumnFacts]
) -> GuessedList | ColumnRole | None:
    """The guess that a column is a list, or why texts of users or items are left out."""
    entries = _entries_of(lazy, column)
    if entries is None:
        return None
    of_ids = _column_with(entries.all, lazy, ids)
    if of_ids is None and (entries.separator or not _has_word(column, HISTORY_WORDS)):
        return entries.guess(column)
    if of_ids is not None and entries.separator:
        reason = HISTORY.format(ids=of_ids.name, separator=entries.separator)
        return ColumnRole(column, reason)
    return None


def _has_word(column: ColumnFacts, words: str) -> bool:
    return names.has_word(column.name, words)


def _may_be_list(column: ColumnFacts) -> bool:
    is_dated = column.holds_dates_as_text or column.holds_decimal_commas
    is_text = column.is_text and not is_dated and column.num_values > MIN_REPEATS
    is_named = not name_reason(column.name) and len(column.name) <= names.LONGEST_NAME
    return is_named and (is_text or is_list_of(column.dtype, *INTEGERS, *TEXTS))


def _entries_of(lazy: pl.LazyFrame, column: ColumnFacts) -> _Entries | None:
    """The entries of a column that looks like a list; None for any other."""
    if not _may_be_list(column):
        return None
    values = lazy.select(pl.col(column.key)).drop_nulls()
    sample = values.head(SAMPLE_ROWS).collect().to_series()
    if not column.is_text:
        if not _are_attributes(_of_lists(sample)):
            return None
        entries = _of_lists(values.unique().collect(engine="streaming").to_series())
        return entries if _are_attributes(entries) else None
    separator = _separator(sample.cast(pl.String))
    if not separator or not _are_short(_of_texts(sample, separator)):
        return None
    entries = _of_texts(values.unique().collect(engine="streaming").to_series(), separator)
    is_list = _are_short(entries) and _vary(entries) and not _are_numbers(entries)
    return entries if is_list else None


def _of_lists(lists: pl.Series) -> _Entries:
    is_of_categories = is_list_of(lists.dtype, pl.Categorical, pl.Enum)
    present = lists.cast(pl.List(pl.String)) if is_of_categories else lists
    return _Entries("", present, present.list.drop_nulls())


def _of_texts(values: pl.Series, separator: str) -> _Entries:
    texts = values.cast(pl.String)
    return _Entries(separator, texts, split_texts(texts, separator))


def _separator(texts: pl.Series) -> str:
    """The separator that most rows have; empty where none is in enough of them."""
    if texts.is_empty():
        return ""
    share_of = {
        separator: texts.str.contains(separator, literal=True).to_numpy().mean()
        for separator in SEPARATORS
    }
    best = max(share_of, key=lambda separator: share_of[separator])
    return best if share_of[best] >= MIN_SEPARATED else ""


def _are_short(entries: _Entries) -> bool:
    """Whether entries are words or names, and no sentences."""
    distinct = entries.all.unique()
    if distinct.is_empty():
        return False
    longest = distinct.str.len_chars().to_numpy().max()
    num_words = distinct.str.split(" ").list.len().to_numpy().mean()
    return bool(longest <= LONGEST_ENTRY and num_words <= MAX_WORDS)


def _vary(entries: _Entries) -> bool:
    """Whether there are clearly fewer entries than texts, which differ in their number of them.

    Every entry is in several texts, and `Berlin, Germany` always has two entries.
    """
    num_distinct = entries.all.n_unique()
    num_texts = len(entries.texts)
    has_few = 2 <= num_distinct <= MAX_DISTINCT * num_texts
    is_repeated = len(entries.all) >= MIN_REPEATS * num_distinct
    most_common = int(np.bincount(entries.num_entries_of_each).max(initial=0))
    return has_few and is_repeated and most_common <= (1 - MIN_OTHER_LENGTH) * num_texts


def _are_numbers(entries: _Entries) -> bool:
    """Whether the texts are dates, fractions, coordinates or numbers with commas, not lists."""
    if not entries.all.str.contains(NUMBER).all():
        return False
    is_grouped = entries.texts.str.strip_chars().str.contains(THOUSANDS).all()
    return entries.separator == "/" or entries.longest < 3 or is_grouped


def _are_attributes(entries: _Entries) -> bool:
    """Whether a column of lists has few entries and short lists, as tags have and histories not."""
    return entries.longest <= MAX_LIST and 2 <= entries.all.n_unique() <= MAX_ATTRIBUTES


def _column_with(
    entries: pl.Series, lazy: pl.LazyFrame, ids: Sequence[ColumnFacts]
) -> ColumnFacts | None:
    """The first column of ids that has most of the entries among its values.

    Entries that are numbers must also be a good share of the ids.
    """
    distinct = entries.unique().cast(pl.String)
    are_numbers = distinct.str.contains(NUMBER).to_numpy().mean() > MOSTLY
    for column in ids:
        if are_numbers and len(distinct) < MIN_COVERED * column.num_values:
            continue
        values = lazy.select(pl.col(column.key).cast(pl.String)).unique().collect().to_series()
        is_value = distinct.is_in(values.drop_nulls().implode())
        if is_value.to_numpy().mean() > MOSTLY:
            return column
    return None
