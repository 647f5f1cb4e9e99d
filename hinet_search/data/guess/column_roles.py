"""Guesses: guess the role of every column of a table from its name, type and values.

A guess carries its reason, and a doubt where it should be checked.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import polars as pl

from hinet_search.common.amounts import percent
from hinet_search.data.guess import names
from hinet_search.data.guess.column_facts import (
    FEW_NUMBERS,
    ColumnFacts,
    feature_reason,
    has_amounts,
    holds_few_counts,
    in_words,
    name_reason,
    unusable_reason,
)
from hinet_search.data.guess.moments import period_of
from hinet_search.data.guess.roles import ColumnRole, ColumnRoles, KnownRoles
from hinet_search.data.guess.split_columns import find_split, split_reason
from hinet_search.data.raw_values import listed
from hinet_search.study.data_definition import truth_column

MAX_SCENARIOS = 30
COUNTS_AS_A_1 = "a value above 0 counts as a 1"
LABEL_OR_FEATURE = "a label, or a feature that is known before?"
OTHER_TASK = "named like a task, and no task of this study"
KNOWN_BEFORE = "an outcome? if it is known before, list it as a feature"
OR_A_TASK = "to predict it, make it a task (kind: amount)"
AFTERWARDS = "sounds like something known only afterwards"
FAMILY = 5  # numbered columns of one name are features: nothing would be learned five times
NEARLY_ALL = 0.95  # of the rows; distinct values are counted approximately

Columns = Sequence[ColumnFacts]
Reason = Callable[[ColumnFacts], str]  # why a column has no role; empty where it may have one
Given = Mapping[str | None, ColumnRole]


def guess_roles(columns: Columns, known: KnownRoles | None = None) -> ColumnRoles:
    """Guess one role for every column; user, item and scenario are features as well."""
    known = known or KnownRoles()
    given = known.given_roles(columns)
    unknown = _except(columns, known.columns)
    left_out = _reasons(unknown, _why_useless)
    useful = _except(unknown, left_out)
    split = given.get(known.split, find_split(useful))
    useful = _without(useful, [split])
    left_out |= _reasons(useful, split_reason)
    useful = _except(useful, left_out)
    tasks = [given[name] for name in known.tasks.values()] or _tasks(useful)
    other_tasks = _named_tasks(useful) if known.tasks else []
    candidates = _without(useful, [*tasks, *other_tasks])
    scenario = _scenario(columns, candidates)
    if known.scenario is not None:
        scenario = _given_scenario(given[known.scenario])
    time = _time(candidates) if known.time is None else _given_time(given[known.time])
    user = given.get(known.user, _id_column(candidates, names.USER_WORDS, scenario))
    others = _without(candidates, [user])
    item = given.get(known.item, _id_column(others, names.ITEM_WORDS, scenario))
    rest = _without(candidates, [scenario, time, user, item])
    left_out |= _reasons(rest, _why_no_feature(tasks, known))
    rest = _except(rest, left_out)
    outcomes = [*known.never_roles(given), *_outcomes(rest, other_tasks)]
    rest = _without(rest, outcomes)
    ids = [ColumnRole(role.column, role.column.values_in_words) for role in (user, item) if role]
    numeric = [_feature(column, rest) for column in rest if _holds_amounts(column)]
    others = _without(rest, numeric)
    categorical = [*ids, *(_feature(column, rest) for column in others)]
    return ColumnRoles(
        scenario=scenario,
        tasks=tuple(tasks),
        user=user,
        item=item,
        time=time,
        split=split,
        categorical=tuple(categorical),
        numeric=tuple(numeric),
        outcomes=tuple(outcomes),
        left_out=_left_out(columns, left_out, scenario),
        weight=given.get(known.weight),
    )


def _left_out(
    columns: Columns, reasons: dict[str, str], scenario: ColumnRole | None
) -> tuple[ColumnRole, ...]:
    """Columns without a role and why; a constant column may still be the scenario."""
    left = [column for column in _without(columns, [scenario]) if column.name in reasons]
    return tuple(ColumnRole(column, reasons[column.name]) for column in left)


def _reasons(columns: Columns, reason_of: Reason) -> dict[str, str]:
    """The reasons by column, without those that are empty."""
    reasons = {column.name: reason_of(column) for column in columns}
    return {name: reason for name, reason in reasons.items() if reason}


def _except(columns: Columns, taken: Collection[str]) -> list[ColumnFacts]:
    return [column for column in columns if column.name not in taken]


def _without(columns: Columns, roles: Iterable[ColumnRole | None]) -> list[ColumnFacts]:
    return _except(columns, {role.column.name for role in roles if role})


def _has_word(column: ColumnFacts, words: str) -> bool:
    return names.has_word(column.name, words)


def _is_id(column: ColumnFacts) -> bool:
    """Whether it is the id of a user or an item by its name: no label and no scenario."""
    return names.is_id_of(column.name, f"{names.USER_WORDS} {names.ITEM_WORDS}")


def _or_one_of(columns: Columns) -> str:
    """A doubt where there are other candidates."""
    return f"or one of: {listed([column.name for column in columns])}?" if columns else ""


def no_labels(columns: Columns) -> list[str]:
    """Say of every column that is named like a task why it is no label."""
    problems = []
    for column in columns:
        if column.positive or not _has_word(column, names.TASK_WORDS):
            continue
        held = f"{in_words(column.num_values)} values"
        if column.values:
            held = listed([value for value, _ in column.values])
        reason = _why_useless(column) or f"it holds {held}"
        problems.append(f"column '{column.name}' is no label: {reason}")
    return problems


def _why_useless(column: ColumnFacts) -> str:
    """Why a column can have no role at all; empty when it can."""
    if reason := unusable_reason(column):
        return reason
    may_be_id = column.is_whole or (column.is_text and not column.is_number)
    is_distinct = column.num_values >= NEARLY_ALL * column.rows
    of_rows = f"{names.USER_WORDS} {names.ITEM_WORDS} {names.TIME_WORDS}"
    if may_be_id and is_distinct and not _has_word(column, of_rows):
        return "a different value in every row"
    return ""


def _why_no_feature(tasks: Sequence[ColumnRole], known: KnownRoles) -> Reason:
    """A function that says why a column without another role is no feature; empty when it is."""
    task_names = known.tasks or names.task_names([task.column.name for task in tasks])
    truths = {truth_column(name) for name in task_names}

    def reason(column: ColumnFacts) -> str:
        if column.name in truths:
            return "the true probability of a task, by its name"
        if _has_word(column, names.SPLIT_WORDS):
            return (
                "named like a split, but its values are not one for each of train, valid and test"
            )
        if column.is_text and _may_be_moments(column):
            return "numbers as text that may be moments: as numbers they could split by time"
        if _may_be_moments(column):
            return "a moment: as a number, such as days before the row, it could be a feature"
        return feature_reason(column)

    return reason


def _tasks(columns: Columns) -> list[ColumnRole]:
    """Labels, those with the most positives first.

    These are the yes/no columns and counts that are named like a task; without any of them, all
    yes/no columns.
    """
    columns = [column for column in columns if not _is_id(column)]
    tasks = _named_tasks(columns)
    if not tasks:
        flags = [column for column in columns if column.positive]
        tasks = [ColumnRole(flag, label_in_words(flag), LABEL_OR_FEATURE) for flag in flags]
    return sorted(tasks, key=lambda task: -_positive_rate(task.column))


def _named_tasks(columns: Columns) -> list[ColumnRole]:
    """Yes/no columns and counts that are named like a task."""
    named = [column for column in columns if _has_word(column, names.TASK_WORDS)]
    flags = [column for column in named if column.positive]
    counts = [column for column in named if holds_few_counts(column)]
    return [
        *(ColumnRole(flag, label_in_words(flag)) for flag in flags),
        *(ColumnRole(column, "counts", COUNTS_AS_A_1) for column in counts),
    ]


def label_in_words(column: ColumnFacts) -> str:
    """Say what a label holds: `0 and 1, 37 % of rows`, or `amounts, 0 to 600`."""
    if has_amounts(column):
        return f"amounts, {_range(column)}"
    values = ["0", "1"] if column.is_number else sorted(value for value, _ in column.values)
    return f"{' and '.join(values)}, {percent(_positive_rate(column))} of rows"


def _positive_rate(column: ColumnFacts) -> float:
    """The share of rows with a 1; of counts, the share above 0."""
    positives = 0
    for text, rows in column.values:
        if text != "0" and column.positive in ("", text):
            positives += rows
    return positives / column.rows


def why_check(outcome: ColumnFacts) -> str:
    """Say what an outcome may be instead: a feature, or a task if it has amounts."""
    return f"{KNOWN_BEFORE}; {OR_A_TASK}" if has_amounts(outcome) else KNOWN_BEFORE


def _scenario(columns: Columns, candidates: Columns) -> ColumnRole | None:
    """The scenario: a candidate of few values by its name, else a single value, else the fittest.

    A column of a single value may be any, as it is of no other use. Among columns of few values
    texts come first, then those that are no label, then the fewest values.
    """
    nameable = [column for column in candidates if _may_name_scenarios(column)]
    few = [column for column in nameable if 2 <= len(column.values) <= MAX_SCENARIOS]
    named = [column for column in few if _is_named_scenario(column)]
    if named:
        reason = f"{named[0].values_in_words}, and a name like a scenario's"
        return ColumnRole(named[0], reason, _or_one_of(named[1:]))
    few.sort(key=lambda column: (not column.is_text, bool(column.positive), column.num_values))
    single = [column for column in columns if len(column.values) == 1]
    single = [column for column in single if _is_named_scenario(column)]
    if single:
        reason = "a name like a scenario's, and one value: a study of a single scenario"
        return ColumnRole(single[0], reason, _or_one_of(few) or "is there another?")
    if few:
        doubt = "found by its few values alone; is it the scenario?"
        return ColumnRole(few[0], few[0].values_in_words, doubt)
    return None


def _given_scenario(scenario: ColumnRole) -> ColumnRole:
    """The given scenario, doubted where it has more values than scenarios are."""
    if scenario.column.num_values <= MAX_SCENARIOS:
        return scenario
    doubt = (
        f"{in_words(scenario.column.num_values)} values: a scenario is one of a few, such as a "
        "channel, with rows of its own to learn from; is it an id, and a feature?"
    )
    return scenario.doubted({scenario.column.name: doubt})


def _is_named_scenario(column: ColumnFacts) -> bool:
    return _may_name_scenarios(column) and _has_word(column, names.SCENARIO_WORDS)


def _may_name_scenarios(column: ColumnFacts) -> bool:
    """Whether it is no id and has no fractions, and its values are short enough for names."""
    if _is_id(column) or name_reason(column.name):
        return False
    is_short = all(len(value) <= names.LONGEST_NAME for value, _ in column.values)
    return is_short and (column.is_whole or not column.is_number)


def _id_column(columns: Columns, words: str, scenario: ColumnRole | None) -> ColumnRole | None:
    """User or item: whole numbers or texts with such a name, one with `id` in it first."""
    named = [column for column in _without(columns, [scenario]) if _has_word(column, words)]
    named = [column for column in named if column.is_whole or column.is_text]
    with_id = [column for column in named if _has_word(column, names.ID_WORDS)]
    best = max(with_id or named, key=lambda column: column.num_values, default=None)
    if best is None or (not with_id and best.num_values <= FEW_NUMBERS):
        return None
    return ColumnRole(best, best.values_in_words, "" if with_id else "an id?")


def _time(columns: Columns) -> ColumnRole | None:
    """A date of the row, else numbers that are moments by name and range; without gaps."""
    complete = [column for column in columns if _is_complete(column)]
    moments = [column for column in complete if _may_be_moments(column) and not column.is_text]
    date = _date(complete)
    if date is not None or not moments:
        return date
    reason = f"{moments[0].low:.0f} to {moments[0].high:.0f}"
    if period := period_of(moments[0]):
        return ColumnRole(moments[0], f"{reason}: {period}")
    return ColumnRole(moments[0], reason, "do these numbers grow with time?")


def _date(columns: Columns) -> ColumnRole | None:
    """The first date that is not one of the user; with a name of time, and a time of day, first."""
    dates = [column for column in columns if _is_date(column)]
    dates = [column for column in dates if not _has_word(column, names.DATE_OF_USER_WORDS)]
    if not dates:
        return None
    named = [column for column in dates if _has_word(column, names.TIME_WORDS)]
    dates.sort(key=lambda column: (column not in named, isinstance(column.dtype, pl.Date)))
    first = dates[0]
    doubt = _or_one_of(dates[1:])
    if first not in named:
        doubt = doubt or "is it the time of the row?"
    return ColumnRole(first, f"{first.low} to {first.high}", doubt)


def _given_time(time: ColumnRole) -> ColumnRole | None:
    """The given time if rows can be cut by it; it has no role in the guess otherwise."""
    column = time.column
    has_order = column.dtype.is_numeric() or _is_date(column)
    return time if has_order and _is_complete(column) else None


def _is_complete(column: ColumnFacts) -> bool:
    return not column.missing and not column.not_finite and column.num_values >= 3


def _is_date(column: ColumnFacts) -> bool:
    has_range = column.low is not None and column.high is not None
    return has_range and isinstance(column.dtype, pl.Date | pl.Datetime)


def _may_be_moments(column: ColumnFacts) -> bool:
    return column.is_like_moments and _has_word(column, names.TIME_WORDS)


def _outcomes(columns: Columns, other_tasks: Iterable[ColumnRole]) -> list[ColumnRole]:
    """Columns named like something known only afterwards, and like tasks of other studies."""
    outcomes = [ColumnRole(task.column, OTHER_TASK, KNOWN_BEFORE) for task in other_tasks]
    for column in columns:
        is_amount = _has_word(column, names.OUTCOME_WORDS) and column.is_number
        if is_amount or names.is_later(column.name):
            outcomes.append(ColumnRole(column, AFTERWARDS, why_check(column)))
    return outcomes


def _feature(column: ColumnFacts, features: Columns) -> ColumnRole:
    family = names.family_of(column.name)
    num_alike = sum(names.family_of(each.name) == family for each in features) if family else 0
    is_yes_or_no = column.positive and num_alike < FAMILY
    is_like_a_task = is_yes_or_no or _has_word(column, names.TASK_WORDS)
    doubt = "known before, and no outcome?" if is_like_a_task else ""
    if column.is_binary:
        return ColumnRole(column, label_in_words(column), doubt)
    if _holds_amounts(column):
        return ColumnRole(column, _range(column), doubt)
    return ColumnRole(column, column.values_in_words, doubt)


def _holds_amounts(column: ColumnFacts) -> bool:
    """Whether a feature is a number and no code: 0 and 1, fractions, or many numbers."""
    if column.is_binary:
        return True
    is_id = _has_word(column, names.ID_WORDS) and column.is_whole
    if not column.is_number or is_id:
        return False
    # Whole numbers with gaps are often written as floats, such as by pandas.
    may_have_gaps = column.is_text or column.missing > 0
    may_be_code = column.dtype.is_integer() or (may_have_gaps and column.is_whole)
    return not may_be_code or column.num_values > FEW_NUMBERS


def _range(column: ColumnFacts) -> str:
    not_finite = f", {column.not_finite:,} NaN or infinite" if column.not_finite else ""
    low = float(column.low or 0)
    high = float(column.high or 0)
    as_text = ", as text" if column.is_text else ""
    return f"{low:g} to {high:g}{as_text}{column.missing_in_words}{not_finite}"
