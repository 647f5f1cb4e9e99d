"""Value checks: take features away whose values betray that they are no inputs, and doubt others.

A number that alone orders the rows nearly as a label does was probably measured after it (how long
a video played), and so was one that has a value only where a label is 1. Nothing in a column of yes
and no says whether it is known before the labels: `finished` is another label, `is_member` a
feature. One that its user or item always has is an attribute of it, and any other is left to the
reader. Under a split by time a model knows nothing of values that only later rows have, such as
the month.
Shape legend: R rows.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.common.amounts import percent
from hinet_search.data.cell_counts import auc
from hinet_search.data.guess.column_facts import FEW_NUMBERS, ColumnFacts
from hinet_search.data.guess.column_roles import FAMILY, label_in_words, why_check
from hinet_search.data.guess.frequent import SPLIT_CODE, is_positive
from hinet_search.data.guess.names import (
    ITEM_WORDS,
    KNOWN_BEFORE_WORDS,
    USER_WORDS,
    VERBS,
    family_of,
    has_word,
    words_of,
)
from hinet_search.data.guess.roles import ColumnRole, ColumnRoles
from hinet_search.data.inspect.leaks import AFTERWARDS, is_suspicious, out_of_fold_rates
from hinet_search.data.numbers import parsed
from hinet_search.data.reading import ROW_NUMBER

MAX_ROWS = 200_000  # every k-th of more
DOUBTFUL_AUC = 0.8
NEARLY_ALWAYS = 0.99
MIN_ROWS = 30  # of either class
SAME = 0.95  # of the pairs of rows of an id, in an attribute of it
MIN_PAIRS = 30
MOST_NEW = 0.5  # share of the rows of valid and test
# Columns whose names begin with them are not alike.
COMMON_WORDS = f"{USER_WORDS} {ITEM_WORDS} {' '.join(VERBS)}"
NEITHER = "a label, or known before? make it a task, or list it as a feature"

Labels = dict[str, NDArray[np.uint8]]  # 0 and 1 of rows (R,), by name of the label


def without_outcomes(lazy: pl.LazyFrame, roles: ColumnRoles) -> ColumnRoles:
    """List features among the outcomes that give a label away, and doubt those that may.

    Roles stay as they are if no feature would be left.
    """
    tasks = [role.column for role in roles.tasks]
    numbers = [role.column for role in roles.numeric]
    columns = [column for column in roles.features if column not in roles.ids]
    keys = list(dict.fromkeys(column.key for column in (*tasks, *columns)))
    step = -(-columns[0].rows // MAX_ROWS) if columns else 1
    every = lazy.select(keys).with_row_index(ROW_NUMBER).filter(pl.col(ROW_NUMBER) % step == 0)
    sample = every.collect(engine="streaming")
    positives = sample.select(is_positive(task).cast(pl.UInt8).alias(task.key) for task in tasks)
    labels = {task.name: positives[task.key].to_numpy() for task in tasks}
    outcomes = []
    doubts = {}
    for column in columns:
        is_number = column in numbers
        areas = _areas(sample, column, labels, is_number=is_number)
        label = max(areas, key=lambda name: abs(areas[name] - 0.5), default="")
        area = areas.get(label, 0.5)
        alone = f"alone it has AUC {area:.2f} for {label}"
        reason = ""
        if column.missing:
            reason = _known_only_with(sample[column.key].is_not_null().to_numpy(), labels)
        if not reason and is_number and not column.positive and is_suspicious(area):
            reason = alone
        if reason:
            outcomes.append(ColumnRole(column, reason, why_check(column)))
        elif not 1 - DOUBTFUL_AUC < area < DOUBTFUL_AUC:
            doubts[column.name] = f"{alone}; {AFTERWARDS}"
    roles = roles.with_outcomes(outcomes).with_doubts(doubts)
    made_of = [task.made_of for task in tasks if task.made_of]
    amounts = [role.name for role in roles.outcomes if role.column.num_values > FEW_NUMBERS]
    return roles.with_doubts(_named_alike(roles, [*made_of, *doubts, *amounts]))


def _areas(
    sample: pl.DataFrame, column: ColumnFacts, labels: Labels, *, is_number: bool
) -> dict[str, float]:
    """The AUC of a column alone, by label with enough rows of both classes.

    A category has the rate of the label in other rows of it, as codes have no order.
    """
    values = sample[column.key]
    if is_number:
        number = parsed(column.key) if column.is_text else pl.col(column.key).cast(pl.Float64)
        values = sample.select(number.fill_nan(None)).to_series()
    is_known_R = values.is_not_null().to_numpy()
    known = values.drop_nulls()
    code_R = known.rank("dense").to_numpy().astype(np.int64)
    areas = {}
    for name, labels_R in labels.items():
        known_labels_R = labels_R[is_known_R]
        num_ones = int(known_labels_R.sum())
        if MIN_ROWS <= num_ones <= known_labels_R.size - MIN_ROWS:
            score_R = known.to_numpy() if is_number else out_of_fold_rates(code_R, known_labels_R)
            area = auc(score_R, known_labels_R)
            assert area is not None, "both classes have rows"
            areas[name] = area
    return areas


def _known_only_with(is_known_R: NDArray[np.bool_], labels: Labels) -> str:
    """The reason that a column with these values is known only where a label is 1; else empty."""
    for name, labels_R in labels.items():
        num_both = (is_known_R & (labels_R == 1)).sum()
        num_most = max(is_known_R.sum(), labels_R.sum())
        if num_both >= max(MIN_ROWS, NEARLY_ALWAYS * num_most):
            return f"it has a value only in rows with {name}"
    return ""


def _named_alike(roles: ColumnRoles, measured: Sequence[str]) -> dict[str, str]:
    """Doubts about features whose name begins like the name of a column that may be measured later.

    So do `arr_time` and `arr_delay`, but not names that begin with a user, an item or a verb.
    """
    doubts = {}
    for column in roles.features:
        first, *others = words_of(column.name) or [""]
        if column in roles.ids or not others or has_word(first, COMMON_WORDS):
            continue
        alike = [name for name in measured if words_of(name)[:1] == [first]]
        if alike and column.name not in measured:
            doubts[column.name] = f"named like {alike[0]}; {AFTERWARDS}"
    return doubts


def without_flags(lazy: pl.LazyFrame, roles: ColumnRoles) -> ColumnRoles:
    """Move columns of yes and no that may be labels from the features to the outcomes.

    Features stay that are named as known before, one of a numbered family, or attributes of an id.
    """
    families = Counter(family_of(column.name) for column in roles.features)
    families[""] = 0  # of columns without a number in their name
    flags = []
    for column in roles.features:
        is_known = families[family_of(column.name)] >= FAMILY
        is_known = is_known or column.has_word(KNOWN_BEFORE_WORDS)
        if column.positive and column not in roles.ids and not is_known:
            flags.append(column)
    for id_ in roles.ids:
        attributes = set(_attributes_of(lazy, id_, flags))
        flags = [column for column in flags if column.name not in attributes]
    return roles.with_outcomes([ColumnRole(flag, label_in_words(flag), NEITHER) for flag in flags])


def _attributes_of(
    lazy: pl.LazyFrame, id_: ColumnFacts, flags: Sequence[ColumnFacts]
) -> Iterator[str]:
    """The columns that nearly all rows of a value of the id agree in, of yes and of no."""
    num_ones = [is_positive(flag).sum().cast(pl.Int64).alias(flag.key) for flag in flags]
    by_id = lazy.drop_nulls(id_.key).group_by(id_.key)
    counts = by_id.agg(pl.len().cast(pl.Int64).alias("rows"), *num_ones).collect()
    rows = counts["rows"]
    for flag in flags:
        ones = counts[flag.key]
        num_pairs = [int((same * (rows - 1)).sum()) for same in (ones, rows - ones)]
        num_equal = [int((same * (same - 1)).sum()) for same in (ones, rows - ones)]
        agree = all(equal >= SAME * of for equal, of in zip(num_equal, num_pairs, strict=True))
        if min(num_pairs) >= MIN_PAIRS and agree:
            yield flag.name


def without_later_values(rows: pl.LazyFrame, roles: ColumnRoles) -> ColumnRoles:
    """Leave out categories that mostly have new values in later rows; `rows` have SPLIT_CODE.

    User and item stay: what is new is a fact of every service. Roles stay as they are if no feature
    would be left.
    """
    later = pl.col(SPLIT_CODE) > 0
    left = []
    for role in roles.categorical:
        if role.column in roles.ids:
            continue
        by_value = rows.group_by(role.column.key).agg(
            later.sum().alias("later"), later.all().alias("is new")
        )
        counts = by_value.collect(engine="streaming")
        num_new = int(counts.filter("is new")["later"].sum())
        share = num_new / max(int(counts["later"].sum()), 1)
        if share > MOST_NEW:
            reason = f"{percent(share)} of later rows have values that no earlier row has"
            left.append(ColumnRole(role.column, reason))
    rest = roles.without({role.name for role in left})
    return replace(rest, left_out=(*roles.left_out, *left)) if rest else roles
