"""Guesses: guess the role of every column of a table from its name, type and values.

A guess carries its reason, and a doubt where it should be checked.
"""

from collections.abc import Callable, Collection, Iterable, Sequence

import polars as pl

from hinet_search.common.amounts import percent
from hinet_search.data.guess import label_values, names
from hinet_search.data.guess.column_facts import (
    ColumnFacts,
    feature_reason,
    in_words,
    name_reason,
    unusable_reason,
)
from hinet_search.data.guess.roles import ColumnRole, ColumnRoles, KnownRoles
from hinet_search.data.guess.split_columns import find_split, split_reason
from hinet_search.data.raw_values import listed
from hinet_search.study.data_definition import truth_column

MAX_SCENARIOS = 30
COUNTS_AS_A_1 = "a value above 0 counts as a 1"
LABEL_OR_FEATURE = "a label, or a feature that is known before?"
OTHER_TASK = "named like a task, and no task of this study"
NEARLY_ALL = 0.95  # of the rows; distinct values are counted approximately


def guess_roles(columns: Sequence[ColumnFacts], known: KnownRoles | None = None) -> ColumnRoles:
    """Guess one role for every column; user, item and scenario are features as well."""
    known = known or KnownRoles()
    given: dict[str | None, ColumnRole] = {
        column.name: ColumnRole(column, "given") for column in columns
    }
    useless = _reasons(_without(columns, map(given.get, known.columns)), _why_useless)
    useful = [column for column in columns if column.name not in {*useless, *known.columns}]
    split = given.get(known.split) or _split(useful)
    useful = _without(useful, [split])
    useless |= _reasons(useful, split_reason)
    useful = [column for column in useful if column.name not in useless]
    labels = [column for column in useful if not _is_id(column)]
    tasks = [given[name] for name in known.tasks.values()] or _tasks(labels)
    other_tasks = _named_tasks(useful) if known.tasks else []
    candidates = _without(useful, [*tasks, *other_tasks])
    places = [column for column in candidates if not _is_id(column)]
    scenario = given.get(known.scenario) or _scenario(places)
    scenario = scenario or _single_scenario(columns, places) or _unnamed_scenario(places)
    time = _given_time(given[known.time]) if known.time else _time(candidates)
    user = given.get(known.user) or _id_column(candidates, names.USER_WORDS, scenario)
    others = _without(candidates, [user])
    item = given.get(known.item) or _id_column(others, names.ITEM_WORDS, scenario)
    rest = _without(candidates, [scenario, time, user, item])
    task_names = known.tasks or names.task_names([task.column.name for task in tasks])
    truths = {truth_column(name) for name in task_names}
    unfit = _reasons(rest, lambda column: _why_no_feature(column, truths))
    fit = [column for column in rest if column.name not in unfit]
    outcomes = [given[name] for name in known.never_features]
    outcomes += [
        ColumnRole(task.column, OTHER_TASK, label_values.KNOWN_BEFORE) for task in other_tasks
    ]
    outcomes += [_outcome(column) for column in fit if _is_outcome(column)]
    fit = _without(fit, outcomes)
    categorical, numeric = _features(fit)
    return ColumnRoles(
        scenario=scenario,
        tasks=tuple(tasks),
        user=user,
        item=item,
        time=time,
        split=split,
        categorical=(*_ids(user, item), *categorical),
        numeric=tuple(numeric),
        outcomes=tuple(outcomes),
        left_out=_left_out(columns, useless | unfit, scenario),
    )


def no_labels(columns: Sequence[ColumnFacts]) -> list[str]:
    """Say of every column that is named like a task why it is no label."""
    named = [
        column for column in columns if _has_word(column, names.TASK_WORDS) and not column.positive
    ]
    return [
        f"column '{column.name}' is no label: {_why_useless(column) or _held(column)}"
        for column in named
    ]


def counted(column: ColumnFacts) -> str:
    """`about 1,204 values`, with the share that is missing."""
    plural = "" if column.num_values == 1 else "s"
    return f"{in_words(column.num_values)} value{plural}{_missing(column)}"


def _missing(column: ColumnFacts) -> str:
    return f", {percent(column.missing / column.rows)} missing" if column.missing else ""


def _held(column: ColumnFacts) -> str:
    if column.values:
        return f"it holds {listed([value for value, _ in column.values])}"
    return f"it holds {in_words(column.num_values)} values"


def _reasons(
    columns: Sequence[ColumnFacts], reason_of: Callable[[ColumnFacts], str]
) -> dict[str, str]:
    """The reasons by column, without those that are empty."""
    reasons = {column.name: reason_of(column) for column in columns}
    return {name: reason for name, reason in reasons.items() if reason}


def _without(
    columns: Sequence[ColumnFacts], guesses: Iterable[ColumnRole | None]
) -> list[ColumnFacts]:
    taken = {guess.column.name for guess in guesses if guess}
    return [column for column in columns if column.name not in taken]


def _has_word(column: ColumnFacts, words: str) -> bool:
    """Whether the column's name has one of the words."""
    return names.has_word(column.name, words)


def _is_id(column: ColumnFacts) -> bool:
    """Whether it is the id of a user or an item by its name: no label and no scenario."""
    return names.is_id_of(column.name, f"{names.USER_WORDS} {names.ITEM_WORDS}")


def _names(columns: Sequence[ColumnFacts]) -> str:
    return listed([column.name for column in columns])


def _first_of(columns: Sequence[ColumnFacts], reason: str) -> ColumnRole:
    """The first column, with the other candidates as the doubt."""
    doubt = f"or one of: {_names(columns[1:])}?" if columns[1:] else ""
    return ColumnRole(columns[0], reason, doubt)


def _why_useless(column: ColumnFacts) -> str:
    """Why a column can have no role at all; empty when it can."""
    if reason := unusable_reason(column):
        return reason
    may_be_id = column.is_whole or (column.is_text and not column.is_number)
    is_distinct = column.num_values >= NEARLY_ALL * column.rows
    if (
        may_be_id
        and is_distinct
        and not _has_word(column, f"{names.USER_WORDS} {names.ITEM_WORDS} {names.TIME_WORDS}")
    ):
        return "a different value in every row"
    return ""


def _why_no_feature(column: ColumnFacts, truths: Collection[str]) -> str:
    """Why a column without another role is no feature; empty when it is one."""
    if column.name in truths:
        return "the true probability of a task, by its name"
    if _has_word(column, names.SPLIT_WORDS):
        return "named like a split, but its values are not one for each of train, valid and test"
    if column.is_text and _may_be_moments(column):
        return "numbers as text that may be moments: as numbers they could split by time"
    if _may_be_moments(column):
        return "a moment: as a number, such as days before the row, it could be a feature"
    return feature_reason(column)


def _left_out(
    columns: Sequence[ColumnFacts], reasons: dict[str, str], scenario: ColumnRole | None
) -> tuple[ColumnRole, ...]:
    """Columns without a role and why; a constant column may still be the scenario."""
    left = [column for column in _without(columns, [scenario]) if column.name in reasons]
    return tuple(ColumnRole(column, reasons[column.name]) for column in left)


def _tasks(columns: Sequence[ColumnFacts]) -> list[ColumnRole]:
    """Labels, those with the most positives first.

    These are the yes/no columns and counts that are named like a task; without any of them, all
    yes/no columns.
    """
    tasks = _named_tasks(columns)
    if not tasks:
        tasks = [_label(column, LABEL_OR_FEATURE) for column in columns if column.positive]
    return sorted(tasks, key=lambda task: -_positive_rate(task.column))


def _named_tasks(columns: Sequence[ColumnFacts]) -> list[ColumnRole]:
    """Yes/no columns and counts that are named like a task."""
    named = [column for column in columns if _has_word(column, names.TASK_WORDS)]
    tasks = [_label(column, "") for column in named if column.positive]
    counts = [column for column in named if label_values.holds_few_counts(column)]
    return tasks + [ColumnRole(column, "counts", COUNTS_AS_A_1) for column in counts]


def _label(column: ColumnFacts, doubt: str) -> ColumnRole:
    return ColumnRole(column, label_in_words(column), doubt)


def label_in_words(column: ColumnFacts) -> str:
    """Say what a label holds: `0 and 1, 37 % of rows`, or `amounts, 0 to 600`."""
    if label_values.has_amounts(column):
        return f"amounts, {_range(column)}"
    values = ["0", "1"] if column.is_number else sorted(value for value, _ in column.values)
    return f"{' and '.join(values)}, {percent(_positive_rate(column))} of rows"


def _positive_rate(column: ColumnFacts) -> float:
    """The share of rows with a 1; of counts, the share above 0."""
    positives = 0
    for text, rows in column.values:
        is_positive = text == column.positive if column.positive else True
        if is_positive and text != "0":
            positives += rows
    return positives / column.rows


def _split(columns: Sequence[ColumnFacts]) -> ColumnRole | None:
    split = find_split(columns)
    return ColumnRole(split.column, counted(split.column), split.doubt) if split else None


def _scenario(columns: Sequence[ColumnFacts]) -> ColumnRole | None:
    """A column of few values that is named like a scenario."""
    named = [column for column in _few_valued(columns) if _has_word(column, names.SCENARIO_WORDS)]
    if not named:
        return None
    return _first_of(named, f"{counted(named[0])}, and a name like a scenario's")


def _single_scenario(
    columns: Sequence[ColumnFacts], candidates: Sequence[ColumnFacts]
) -> ColumnRole | None:
    """A column of a single value that is named like a scenario."""
    single = [
        column
        for column in columns
        if column.num_values == 1 and column.values and _has_word(column, names.SCENARIO_WORDS)
    ]
    single = [column for column in single if _may_name_scenarios(column)]
    if not single:
        return None
    few = _by_fitness(candidates)
    doubt = f"or one of: {_names(few)}?" if few else "is there another?"
    reason = "a name like a scenario's, and one value: a study of a single scenario"
    return ColumnRole(single[0], reason, doubt)


def _unnamed_scenario(columns: Sequence[ColumnFacts]) -> ColumnRole | None:
    """The column of few values that fits best, whatever its name."""
    few = _by_fitness(columns)
    if not few:
        return None
    doubt = "found by its few values alone; is it the scenario?"
    return ColumnRole(few[0], counted(few[0]), doubt)


def _few_valued(columns: Sequence[ColumnFacts]) -> list[ColumnFacts]:
    few = [column for column in columns if 2 <= len(column.values) <= MAX_SCENARIOS]
    return [column for column in few if _may_name_scenarios(column)]


def _by_fitness(columns: Sequence[ColumnFacts]) -> list[ColumnFacts]:
    """Columns of few values: texts first, then those that are no label, then the fewest values."""
    few = _few_valued(columns)
    few.sort(key=lambda column: (not column.is_text, bool(column.positive), column.num_values))
    return few


def _may_name_scenarios(column: ColumnFacts) -> bool:
    is_short = all(len(value) <= names.LONGEST_NAME for value, _ in column.values)
    return is_short and not name_reason(column.name) and (column.is_whole or not column.is_number)


def _id_column(
    columns: Sequence[ColumnFacts], words: str, scenario: ColumnRole | None
) -> ColumnRole | None:
    """User or item: whole numbers or texts with such a name, one with `id` in it first."""
    named = [
        column
        for column in _without(columns, [scenario])
        if _has_word(column, words) and (column.is_whole or column.is_text)
    ]
    if not named:
        return None
    best = min(
        named, key=lambda column: (not _has_word(column, names.ID_WORDS), -column.num_values)
    )
    if _has_word(best, names.ID_WORDS):
        return ColumnRole(best, counted(best))
    if best.num_values <= label_values.FEW_NUMBERS:
        return None
    return ColumnRole(best, counted(best), "an id?")


def _ids(user: ColumnRole | None, item: ColumnRole | None) -> list[ColumnRole]:
    """User and item as categorical features."""
    return [ColumnRole(guess.column, counted(guess.column)) for guess in (user, item) if guess]


def _time(columns: Sequence[ColumnFacts]) -> ColumnRole | None:
    """A date of the row, else numbers that are moments by name and range; without gaps."""
    complete = [column for column in columns if _is_complete(column)]
    return _date(complete) or _moment(complete)


def _given_time(time: ColumnRole) -> ColumnRole | None:
    """The given time if rows can be cut by it; it has no role in the guess otherwise."""
    column = time.column
    has_order = column.dtype.is_numeric() or _is_date(column)
    return time if has_order and _is_complete(column) else None


def _is_complete(column: ColumnFacts) -> bool:
    return not column.missing and not column.not_finite and column.num_values >= 3


def _date(columns: Sequence[ColumnFacts]) -> ColumnRole | None:
    dates = [column for column in columns if _may_be_date_of_row(column)]
    if not dates:
        return None
    dates.sort(
        key=lambda column: (
            not _has_word(column, names.TIME_WORDS),
            isinstance(column.dtype, pl.Date),
        )
    )
    first = _first_of(dates, f"{dates[0].low} to {dates[0].high}")
    if first.to_check or _has_word(first.column, names.TIME_WORDS):
        return first
    return ColumnRole(first.column, first.reason, "is it the time of the row?")


def _moment(columns: Sequence[ColumnFacts]) -> ColumnRole | None:
    moments = [column for column in columns if _may_be_moments(column) and not column.is_text]
    if not moments:
        return None
    reason = f"{moments[0].low:.0f} to {moments[0].high:.0f}"
    return ColumnRole(moments[0], reason, "do these numbers grow with time?")


def _may_be_date_of_row(column: ColumnFacts) -> bool:
    return _is_date(column) and not _has_word(column, names.DATE_OF_USER_WORDS)


def _is_date(column: ColumnFacts) -> bool:
    has_range = column.low is not None and column.high is not None
    return has_range and isinstance(column.dtype, pl.Date | pl.Datetime)


def _may_be_moments(column: ColumnFacts) -> bool:
    return column.is_like_moments and _has_word(column, names.TIME_WORDS)


def _is_outcome(column: ColumnFacts) -> bool:
    is_amount = _has_word(column, names.OUTCOME_WORDS) and column.is_number
    return is_amount or names.is_later(column.name)


def _outcome(column: ColumnFacts) -> ColumnRole:
    return ColumnRole(
        column, "sounds like something known only afterwards", label_values.why_check(column)
    )


def _features(columns: Sequence[ColumnFacts]) -> tuple[list[ColumnRole], list[ColumnRole]]:
    """Categorical and numeric features."""
    categorical = []
    numeric = []
    for column in columns:
        is_like_a_task = column.positive or _has_word(column, names.TASK_WORDS)
        doubt = "known before, and no outcome?" if is_like_a_task else ""
        if column.is_binary:
            numeric.append(_label(column, doubt))
        elif _holds_amounts(column):
            numeric.append(ColumnRole(column, _range(column), doubt))
        else:
            categorical.append(ColumnRole(column, counted(column), doubt))
    return categorical, numeric


def _holds_amounts(column: ColumnFacts) -> bool:
    """Whether a feature holds amounts rather than codes: fractions, or many numbers."""
    is_id = _has_word(column, names.ID_WORDS) and column.is_whole
    if not column.is_number or is_id:
        return False
    may_be_code = column.dtype.is_integer() or (column.is_text and column.is_whole)
    return not may_be_code or column.num_values > label_values.FEW_NUMBERS


def _range(column: ColumnFacts) -> str:
    not_finite = f", {column.not_finite:,} NaN or infinite" if column.not_finite else ""
    low = float(column.low or 0)
    high = float(column.high or 0)
    as_text = ", as text" if column.is_text else ""
    return f"{low:g} to {high:g}{as_text}{_missing(column)}{not_finite}"
