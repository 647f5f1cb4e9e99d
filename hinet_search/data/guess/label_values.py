"""Label values: whether a column that is a label, or may be one, holds few counts, or amounts."""

from hinet_search.data.guess import names
from hinet_search.data.guess.column_facts import ColumnFacts

FEW_NUMBERS = 50  # up to so many distinct whole numbers are taken for codes, more for amounts
KNOWN_BEFORE = "an outcome? if it is known before, list it as a feature"
OR_A_TASK = "to predict it, make it a task (kind: amount)"


def holds_few_counts(column: ColumnFacts) -> bool:
    """Whether a column holds counts of events, which are few, and no codes."""
    is_count = column.dtype.is_integer() and column.low == 0 and column.missing == 0
    is_id = names.has_word(column.name, names.ID_WORDS)
    return is_count and not is_id and 2 < column.num_values <= FEW_NUMBERS


def has_amounts(column: ColumnFacts) -> bool:
    """Whether a column can be the label of a task of amounts: numbers of at least 0.

    Those of 0 and 1, and few counts, are labels of yes and no.
    """
    if not column.dtype.is_numeric() or column.low is None or column.not_finite:
        return False
    is_yes_or_no = bool(column.positive) or holds_few_counts(column)
    return bool(column.low >= 0) and column.num_values > 1 and not is_yes_or_no


def why_check(outcome: ColumnFacts) -> str:
    """Say what an outcome may be instead: a feature, or a task if it has amounts."""
    if not has_amounts(outcome):
        return KNOWN_BEFORE
    return f"{KNOWN_BEFORE}; {OR_A_TASK}"
