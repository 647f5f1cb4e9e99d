"""Guesses: what the columns of a table may mean, from names, types and values. A guess has its reason, and may be unsure."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from hinet_search.data.checks import INTEGERS, is_list_of
from hinet_search.data.facts import ColumnFacts

MOST_SCENARIOS = 30
FEW_NUMBERS = 50  # so many distinct whole numbers are rather codes than amounts
NEARLY_ALL = 0.95  # distinct values are counted about right
OWN_VALUES = 0.5  # a text with more distinct values than this share of the rows says nothing about another row

_TASK = "click clicked clk order ordered orders buy bought purchase purchased pay paid convert converted conversion cvr like liked follow followed share shared comment favorite collect cart install subscribe label target 点击 下单 购买 转化 成交 支付 收藏"
_SCENARIO = "scenario scene domain channel tab surface placement page slot site market 场景 频道 渠道"
_USER = "user uid member customer visitor account buyer 用户 会员"
_ITEM = "item product sku video goods poi shop article song movie ad creative merchant 商品 商家 视频"
_TIME = "time timestamp ts date datetime day at when 时间 日期"
_OUTCOME = "dwell duration stay watch played revenue gmv paid refund rating amount 时长 金额"
_ID = "id uid uuid key code 编号"


@dataclass(frozen=True)
class Guess:
    """A column in its role. `reason` is read by whoever wonders; `doubt` says what to look at, empty when sure."""

    column: ColumnFacts
    reason: str
    doubt: str = ""


@dataclass(frozen=True)
class Guesses:
    """The roles of all columns. `scenario` is None where no column can be one; tasks may be empty."""

    scenario: Guess | None
    tasks: tuple[Guess, ...]
    user: Guess | None
    item: Guess | None
    time: Guess | None
    categorical: tuple[Guess, ...]
    numeric: tuple[Guess, ...]
    outcomes: tuple[Guess, ...]
    left_out: tuple[Guess, ...]


def guess(columns: Sequence[ColumnFacts]) -> Guesses:
    """Each column in one role; user, item and scenario are features too."""
    left_out = [Guess(one, why) for one in columns if (why := _useless(one))]
    useful = [one for one in columns if not _useless(one)]
    tasks = _tasks(useful)
    labels = {one.column.name for one in tasks}
    others = [one for one in useful if one.name not in labels]
    scenario, time = _scenario(others), _time(others)
    user, item = (_somebody(others, words, scenario) for words in (_USER, _ITEM))
    taken = {one.column.name for one in (scenario, user, item) if one}
    rest = [one for one in others if not (time and one.name == time.column.name) and one.name not in taken]
    outcomes = [
        Guess(
            one,
            "sounds like something known only afterwards",
            "an outcome? if it is known before, list it as a feature",
        )
        for one in rest
        if _has(one, _OUTCOME) and one.is_number
    ]
    known_after = {one.column.name for one in outcomes}
    ids = [Guess(one.column, counted(one.column)) for one in (user, item) if one]
    features = [_feature(one) for one in rest if one.name not in known_after]
    return Guesses(
        scenario, tuple(tasks), user, item, time,
        categorical=(*ids, *(one for kind, one in features if kind == "categorical")),
        numeric=tuple(one for kind, one in features if kind == "numeric"),
        outcomes=tuple(outcomes),
        left_out=(*left_out, *(one for kind, one in features if kind == "left out")),
    )  # fmt: skip


def words_of(name: str) -> list[str]:
    """The words of a name: `shownAt`, `shown_at` and `Shown at` are shown, at."""
    return re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower())


def counted(column: ColumnFacts) -> str:
    """`1,204 values`, with the share that is missing."""
    missing = f", {100 * column.missing / column.rows:.2g} % missing" if column.missing else ""
    return f"{column.num_values:,} value{'' if column.num_values == 1 else 's'}{missing}"


def _has(column: ColumnFacts, words: str) -> bool:
    """Whether a word stands in the name of a column; words of scripts without spaces may stand anywhere."""
    name = words_of(column.name)
    return any(word in name or (not word.isascii() and word in column.name) for word in words.split())


def _useless(column: ColumnFacts) -> str:
    """Why a column can have no role at all; empty when it can."""
    if column.rows == column.missing:
        return "no value in any row"
    if is_list_of(column.dtype, *INTEGERS, pl.String):
        return "lists; to use them see `lists` in docs/data.md: they must end before the first row"
    if column.dtype.is_nested() or column.dtype in (pl.Binary, pl.Object, pl.Time, pl.Duration):
        return f"values of type {column.dtype}"
    if column.num_values == 1:
        return "the same value in every row"
    if column.num_values >= NEARLY_ALL * column.rows and not column.dtype.is_float() and not column.dtype.is_temporal():
        return "" if _has(column, f"{_USER} {_ITEM} {_TIME}") else "a value of its own in every row"
    return ""


def _tasks(columns: Sequence[ColumnFacts]) -> list[Guess]:
    """0/1 columns named like an outcome, and counts of such; else all 0/1 columns. The most frequent first."""
    binary = [one for one in columns if one.is_binary]
    named = [Guess(one, f"0 and 1, {_share(one)} of rows") for one in binary if _has(one, _TASK)]
    counts = [
        Guess(one, "counts", "what is above 0 is taken for a 1")
        for one in columns
        if _has(one, _TASK)
        and one.dtype.is_integer()
        and one.low == 0
        and one.missing == 0
        and 2 < one.num_values <= FEW_NUMBERS
        if not _has(one, _ID)
    ]
    if named or counts:
        return sorted([*named, *counts], key=lambda one: -_rate(one.column))
    doubt = "a label, or a feature that is known before?"
    return sorted(
        (Guess(one, f"0 and 1, {_share(one)} of rows", doubt) for one in binary), key=lambda one: -_rate(one.column)
    )


def _rate(column: ColumnFacts) -> float:
    return sum(rows for text, rows in column.values if text not in ("0", "false")) / column.rows


def _share(column: ColumnFacts) -> str:
    return f"{100 * _rate(column):.2g} %"


def _scenario(columns: Sequence[ColumnFacts]) -> Guess | None:
    """A column of few values: by its name, else the text with the fewest."""
    few = [one for one in columns if 2 <= len(one.values) <= MOST_SCENARIOS and not one.dtype.is_float()]
    named = [one for one in few if _has(one, _SCENARIO)]
    if named:
        doubt = f"or one of: {', '.join(one.name for one in named[1:])}?" if named[1:] else ""
        return Guess(named[0], f"{counted(named[0])}, and a name like a scenario's", doubt)
    texts = sorted(few, key=lambda one: (one.dtype != pl.String, one.is_binary, one.num_values))
    return (
        Guess(texts[0], counted(texts[0]), "the column of few values that was found; is it the scenario?")
        if texts
        else None
    )


def _somebody(columns: Sequence[ColumnFacts], words: str, scenario: Guess | None) -> Guess | None:
    """User or item: a column of whole numbers or texts by its name, one with `id` in it first."""
    scenario_name = scenario.column.name if scenario else ""
    named = [
        one for one in columns
        if _has(one, words) and one.name != scenario_name and (one.dtype.is_integer() or one.dtype == pl.String)
    ]  # fmt: skip
    named.sort(key=lambda one: (not _has(one, _ID), -one.num_values))
    if not named or (not _has(named[0], _ID) and named[0].num_values <= FEW_NUMBERS):
        return None
    return Guess(named[0], counted(named[0]), "" if _has(named[0], _ID) else "an id?")


def _time(columns: Sequence[ColumnFacts]) -> Guess | None:
    """Dates first, then numbers that can be moments and are named so; a column with gaps can split nothing."""
    whole = [one for one in columns if one.missing == 0 and one.num_values >= 3]
    dates = [one for one in whole if isinstance(one.dtype, pl.Date | pl.Datetime)]
    dates.sort(key=lambda one: (not _has(one, _TIME), isinstance(one.dtype, pl.Date)))
    if dates:
        doubt = f"or one of: {', '.join(one.name for one in dates[1:])}?" if dates[1:] else ""
        return Guess(dates[0], f"{dates[0].low} to {dates[0].high}", doubt)
    moments = [one for one in whole if one.dtype.is_integer() and _has(one, _TIME) and _may_be_moments(one)]
    return (
        Guess(moments[0], f"{moments[0].low} to {moments[0].high}", "do these numbers grow with time?")
        if moments
        else None
    )


def _may_be_moments(column: ColumnFacts) -> bool:
    """Seconds or milliseconds since 1970, or dates as numbers (20260503)."""
    spans = ((1e8, 1e10), (1e11, 1e13), (19_000_101, 21_000_101))
    return any(low <= column.low and column.high < high for low, high in spans)


def _feature(column: ColumnFacts) -> tuple[str, Guess]:
    """(categorical, numeric or left out, guess) of a column without another role."""
    rules: tuple[tuple[Callable[[], bool], str, str, str], ...] = (
        (lambda: column.holds_dates_as_text, "left out", "dates as text; as a column of dates it could split by time", ""),
        (column.dtype.is_temporal, "left out", "a second clock", ""),
        (lambda: column.is_binary, "numeric", f"0 and 1, {_share(column)} of rows", "known before, and no outcome?"),
        (lambda: column.dtype == pl.Boolean, "categorical", counted(column), ""),
        (lambda: column.is_number and not column.dtype.is_integer(), "numeric", _range(column), ""),
        (lambda: _has(column, _ID), "categorical", counted(column), ""),
        (
            lambda: not column.is_number and column.num_values > OWN_VALUES * column.rows,
            "left out", f"{counted(column)}: nearly every row has its own", "",
        ),
        (lambda: not column.is_number or column.num_values <= FEW_NUMBERS, "categorical", counted(column), ""),
    )  # fmt: skip
    for holds, kind, reason, doubt in rules:
        if holds():
            return kind, Guess(column, reason, doubt)
    return "numeric", Guess(column, _range(column))


def _range(column: ColumnFacts) -> str:
    missing = f", {100 * column.missing / column.rows:.2g} % missing" if column.missing else ""
    strange = f", {column.not_finite:,} NaN or infinite" if column.not_finite else ""
    return f"{float(column.low or 0):g} to {float(column.high or 0):g}{missing}{strange}"
