"""Proposed ranking: choose the rows that a ranking orders together, with the reason.

A request, query, impression, session or visit comes first, by the name of its column, the shortest
kind first; then visits by the clock. Labels must differ inside groups, and a named group must end
within a day. Users are not proposed: grouped AUC is of them in any case, and inputs as of the first
row of a user would know nothing of the user.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from hinet_search.common.amounts import percent
from hinet_search.data.guess.column_facts import ColumnFacts, unusable_reason
from hinet_search.data.guess.frequent import is_positive
from hinet_search.data.guess.names import RANK_WORDS, is_id_of
from hinet_search.data.guess.roles import ColumnRoles

DAY = 86_400
PAUSE = "30m"
PAUSE_SECONDS = 1_800
LEAST_SHARE = 0.1  # of the rows, in groups whose labels differ
MOST_LONG = 0.05  # of the rows, in groups that last longer than a day
MOST_ROWS = 2_000_000  # about; of more, those of a part of the users are looked at


@dataclass(frozen=True)
class ProposedRank:
    """What to group by, a column or visits where it is None, with the reason."""

    group: str | None
    reason: str


def propose_rank(
    lazy: pl.LazyFrame, guesses: ColumnRoles, columns: Sequence[ColumnFacts], label: ColumnFacts
) -> ProposedRank | None:
    """Propose the rows that are ranked together; None where labels hardly differ inside any.

    `lazy` is the numbered table.
    """
    ids = list(_ids(guesses, columns))
    user = guesses.user.column if guesses.user else None
    if user is None and not ids:
        return None
    owner = pl.lit(0) if user is None else pl.col(user.key)
    parts = -(-columns[0].rows // MOST_ROWS)
    rows = lazy.select(
        *(column.key for column in ids),
        user=owner,
        second=_seconds(guesses.time.column if guesses.time else None),
        one=is_positive(label),
    )
    part = pl.col(ids[0].key if user is None else "user")
    rows = rows.filter(part.hash() % parts == 0).drop_nulls("user")
    for column in ids:
        reason = _reason(rows.drop_nulls(column.key), "groups", "user", column.key)
        if reason:
            return ProposedRank(column.name, reason)
    if user is None:
        return None
    reason = _of_visits(rows)
    return ProposedRank(None, reason) if reason else None


def _ids(guesses: ColumnRoles, columns: Sequence[ColumnFacts]) -> Iterator[ColumnFacts]:
    """Yield the columns that are named like a request, the shortest kind of group first."""
    roles = [guesses.scenario, guesses.user, guesses.item, guesses.time, guesses.split]
    taken = {role.name for role in (*roles, guesses.weight, *guesses.tasks) if role}
    for word in RANK_WORDS.split():
        for column in columns:
            is_named = is_id_of(column.name, word) and column.name not in taken
            if is_named and (column.is_whole or column.is_text) and not unusable_reason(column):
                yield column


def _seconds(time: ColumnFacts | None) -> pl.Expr:
    """The time in seconds, null where it is not known in which unit it is."""
    if time is not None and isinstance(time.dtype, pl.Datetime | pl.Date):
        return pl.col(time.key).cast(pl.Datetime("us")).to_physical() / 1e6
    if time is None or time.unit is None or not time.is_whole:
        return pl.lit(None, pl.Float64)
    return pl.col(time.key).cast(pl.Float64) / time.unit.a_second


def _of_visits(rows: pl.LazyFrame) -> str:
    """Why visits are ranked; empty where labels do not differ, or moments are whole days."""
    since_midnight = pl.col("second") % DAY
    is_fine = rows.select(since_midnight.min() != since_midnight.max())
    if not is_fine.collect(engine="streaming").item():
        return ""
    before = pl.col("user") == pl.col("user").shift()
    goes_on = before & (pl.col("second") - pl.col("second").shift() <= PAUSE_SECONDS)
    visits = rows.drop_nulls("second").sort("user", "second")
    visits = visits.with_columns(visit=(~goes_on.fill_null(value=False)).cum_sum())
    return _reason(visits.with_columns(second=None), "visits", "visit")


def _reason(rows: pl.LazyFrame, noun: str, *keys: str) -> str:
    """Why groups by these keys are ranked; empty where they should not be."""
    second = pl.col("second").cast(pl.Float64)
    groups = rows.group_by(keys).agg(
        num=pl.len(), ones=pl.col("one").sum(), is_long=second.max() - second.min() > DAY
    )
    differs = (pl.col("ones") > 0) & (pl.col("ones") < pl.col("num"))
    facts = groups.select(
        mean=pl.col("num").mean(),
        differing=pl.col("num").filter(differs).sum() / pl.col("num").sum(),
        long=pl.col("num").filter(pl.col("is_long")).sum() / pl.col("num").sum(),
    )
    mean, differing, long = facts.collect(engine="streaming").row(0)
    if not mean or differing < LEAST_SHARE or long > MOST_LONG:
        return ""
    where = f"{percent(differing)} of the rows are in one whose labels differ"
    return f"{noun} of {mean:.1f} rows; {where}"
