"""Later values: features whose values in later rows no earlier row has, such as the month.

Under a split by time a model has no embedding for them: nearly all rows of validation and test
would share that of unknown values, or follow a number beyond all that was learned.
"""

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from hinet_search.common.amounts import percent
from hinet_search.data.columns import SPLITS
from hinet_search.data.frequent import SPLIT_CODE
from hinet_search.data.guess.column_facts import ColumnFacts
from hinet_search.data.guess.roles import ColumnRole, ColumnRoles

MOST_NEW = 0.5  # share of the rows of valid and test
TRAIN = SPLITS.index("train")
ROWS = "rows"


def without_later_values(rows: pl.LazyFrame, roles: ColumnRoles) -> ColumnRoles:
    """Leave out categories that mostly have new values in later rows; `rows` have SPLIT_CODE.

    User and item stay: what is new is a fact of every service. Roles stay as they are if no feature
    would be left.
    """
    columns = [role.column for role in roles.categorical if role.column not in roles.ids]
    reasons = {
        column.name: f"{percent(share)} of later rows have values that no earlier row has"
        for column, share in zip(columns, _shares_of_new(rows, columns), strict=True)
        if share > MOST_NEW
    }
    rest = roles.without(reasons)
    if rest is None:
        return roles
    left = [ColumnRole(each, reasons[each.name]) for each in columns if each.name in reasons]
    return replace(rest, left_out=(*roles.left_out, *left))


def _shares_of_new(rows: pl.LazyFrame, columns: Sequence[ColumnFacts]) -> list[float]:
    """The share of valid and test rows whose value no training row has, by column."""
    is_train = pl.col(SPLIT_CODE) == TRAIN
    queries = [
        rows.select(column.key, is_train.alias("is train"))
        .group_by(column.key)
        .agg(pl.col("is train").sum().alias("of train"), pl.len().alias(ROWS))
        .select(
            (pl.col(ROWS) - pl.col("of train")).sum().alias("later"),
            pl.when(pl.col("of train") == 0).then(pl.col(ROWS)).otherwise(0).sum().alias("new"),
        )
        for column in columns
    ]
    counted = [frame.row(0) for frame in pl.collect_all(queries, engine="streaming")]
    return [new / later if later else 0.0 for later, new in counted]
