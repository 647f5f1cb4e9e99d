"""Forgotten: label counts and a log without the keys that no row has had for some days.

A key stays if each of its values still has an id, or some row had it since, so rows whose ids stay
count what they counted. A value whose id is gone goes with it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from operator import and_, or_

import numpy as np
import polars as pl

from hinet_search.data.derived.added_up import LAST, LAST_TIME, Keys
from hinet_search.data.derived.countable_labels import EVERYONE, key_columns
from hinet_search.data.derived.days import HOURS
from hinet_search.data.derived.label_counts import DAY, LabelCounts
from hinet_search.data.derived.log_state import LogState
from hinet_search.data.derived.moments import Moments
from hinet_search.data.derived.rows_of_log import some_rows
from hinet_search.study.event_definition import TimeSpan
from hinet_search.study.statistics_definition import HOUR, StatisticsDefinition

VALUE, TIME = "value", "time"
IsKept = Callable[[str, str], pl.Expr]  # of a column of the rows, by its name in some table


@dataclass(frozen=True)
class Forgotten:
    """The values of a column with an id, and those whose id is gone, after so many `days`."""

    known: Mapping[str, pl.Series]
    gone: Mapping[str, pl.Series]
    days: int

    def is_kept(self, seen: Iterable[tuple[str, pl.Series, pl.Series]], since: int) -> IsKept:
        """Tells which values stay; columns with values are `seen` at times that `since` is of."""
        recent: dict[str, pl.Series] = {}
        for column, values, times in seen:
            newer = values.filter(times >= since).unique()
            recent[column] = newer.append(recent[column]) if column in recent else newer

        def of_column(column: str, name: str) -> pl.Expr:
            stays = _is_in(name, recent.get(column)) | _is_in(name, self.known.get(column))
            return stays & ~_is_in(name, self.gone.get(column))

        return of_column


def _is_in(name: str, values: pl.Series | None) -> pl.Expr:
    if values is None or values.is_empty():
        return pl.lit(value=False)
    return pl.col(name).is_in(values.implode())


def _of_key(key: Keys, is_kept: IsKept, names: Iterable[str]) -> pl.Expr:
    return reduce(and_, map(is_kept, key, names))


def counts_without(
    counts: LabelCounts, definition: StatisticsDefinition, forgotten: Forgotten
) -> LabelCounts:
    """Label counts without forgotten keys, whose older days are one: rows to come count them all.

    Days are those that have counted rows, so no key goes early.
    """
    since = len(counts.days) - forgotten.days * (HOURS if definition.refresh == HOUR else 1)
    kept: dict[Keys, pl.DataFrame] = {EVERYONE: counts.of_keys[EVERYONE]}
    for key in definition.keys:
        table = counts.of_keys[key]
        by = key_columns(key)
        seen = [(column, table[name], table[DAY]) for column, name in zip(key, by, strict=True)]
        table = table.filter(_of_key(key, forgotten.is_kept(seen, since), by))
        last_old = pl.col(DAY).filter(pl.col(DAY) < since).max().over(by)
        kept[key] = table.filter((pl.col(DAY) >= since) | (pl.col(DAY) == last_old))
    return replace(counts, of_keys=kept)


def log_without(state: LogState, forgotten: Forgotten) -> LogState:
    """A log without what it has added up or shows for forgotten keys; recent rows stay.

    Recent rows are of a limited time, and count for other keys too.
    """
    since = state.last_moment - state.moments.units(TimeSpan(forgotten.days, "d"))
    seen: list[tuple[str, pl.Series, pl.Series]] = []
    for rows, moments in ((state.recent, state.moments), (state.shown, state.shown_moments)):
        times = pl.Series(moments.time_R)
        seen += [(name, rows.frame[name], times) for name in state.definition.columns]
    for key, table in state.older.items():
        for column, name in zip(key, key_columns(key), strict=True):
            seen.append((column, table[name], table[LAST_TIME]))
    user = state.definition.user
    (of_user,) = key_columns((user,))
    if state.visits is not None:
        seen.append((user, state.visits[of_user], state.visits[LAST]))
    is_kept = forgotten.is_kept(seen, since)
    older = {
        key: table.filter(_of_key(key, is_kept, key_columns(key)))
        for key, table in state.older.items()
    }
    visits = None if state.visits is None else state.visits.filter(is_kept(user, of_user))
    state = replace(state, older=older, visits=visits)
    sequences = state.definition.sequences.values()
    if not sequences:
        return state
    shows = reduce(or_, (_of_key(each.key, is_kept, each.key) for each in sequences))
    place = np.flatnonzero(state.shown.frame.select(shows.fill_null(value=False)).to_series())
    at_place = Moments(state.shown_moments.time_R[place], state.shown_moments.unit)
    return replace(state, shown=some_rows(state.shown, place), shown_moments=at_place)
