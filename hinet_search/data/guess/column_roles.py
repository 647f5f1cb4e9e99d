"""Guesses: guess the role of every column of a table from its name, type and values.

A guess carries its reason, and a doubt where it should be checked.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

import polars as pl

from hinet_search.common.amounts import percent
from hinet_search.data.columns import SPLITS
from hinet_search.data.guess import names
from hinet_search.data.guess.column_facts import (
    FEW_NUMBERS,
    ColumnFacts,
    feature_reason,
    in_words,
    name_reason,
    unusable_reason,
)
from hinet_search.data.guess.roles import GIVEN, NOTHING_GIVEN, ColumnRole, ColumnRoles, KnownRoles
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


def guess_roles(columns: Columns, known: KnownRoles = NOTHING_GIVEN) -> ColumnRoles:
    """Guess one role for every column; user, item and scenario are features as well."""
    named = {column.name: _given(column, known) for column in columns}
    given = {role: named[column] for role, column in known.roles.items()}
    reasons = {column.name: _why_useless(column) for column in columns}
    useful = [each for each in columns if not reasons[each.name] and each.name not in known.columns]
    split = given.get("split", _split(useful))
    useful = _without(useful, [split])
    reasons |= {column.name: _why_no_split(column) for column in useful}
    useful = [column for column in useful if not reasons[column.name]]
    tasks = [named[label] for label in known.tasks.values()] or _tasks(useful)
    other_tasks = _named_tasks(useful) if known.tasks else []
    candidates = _without(useful, [*tasks, *other_tasks])
    scenario = given.get("scenario", _scenario(columns, candidates))
    time = given.get("time", _time(candidates))
    if time is not None and not _has_order(time.column):
        time = None  # rows cannot be cut by it
    user = given.get("user", _id_column(candidates, names.USER_WORDS, scenario))
    item = given.get("item", _id_column(_without(candidates, [user]), names.ITEM_WORDS, scenario))
    ids = [ColumnRole(role.column, role.column.values_in_words) for role in (user, item) if role]
    rest = _without(candidates, [scenario, time, user, item])
    task_names = tuple(known.tasks) or names.task_names([task.name for task in tasks])
    truths = {truth_column(name) for name in task_names}
    reasons |= {column.name: _why_no_feature(column, truths) for column in rest}
    rest = [column for column in rest if not reasons[column.name]]
    outcomes = [*(named[name] for name in known.never_features), *_outcomes(rest, other_tasks)]
    rest = _without(rest, outcomes)
    num_alike = Counter(names.family_of(column.name) for column in rest)
    features = [_feature(column, num_alike) for column in rest]
    left_out = [column for column in columns if reasons[column.name]]
    left_out = _without(left_out, [scenario, *(named[name] for name in known.columns)])
    return ColumnRoles(
        scenario=scenario,
        tasks=tuple(tasks),
        user=user,
        item=item,
        time=time,
        split=split,
        categorical=(*ids, *(role for role in features if not _holds_amounts(role.column))),
        numeric=tuple(role for role in features if _holds_amounts(role.column)),
        outcomes=tuple(outcomes),
        left_out=tuple(ColumnRole(column, reasons[column.name]) for column in left_out),
        weight=given.get("weight"),
    )


def _given(column: ColumnFacts, known: KnownRoles) -> ColumnRole:
    """A role that is given, with what is to check of a label that is made of a rating."""
    doubts = {threshold.label: threshold.doubt for threshold in known.thresholds}
    is_source = column.name in {threshold.column for threshold in known.thresholds}
    reason = "a label is made of it" if is_source else GIVEN
    return ColumnRole(column, reason, doubts.get(column.name, ""))


def _without(columns: Columns, roles: Iterable[ColumnRole | None]) -> list[ColumnFacts]:
    taken = {role.name for role in roles if role}
    return [column for column in columns if column.name not in taken]


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
        if column.positive or not column.has_word(names.TASK_WORDS):
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
    if may_be_id and is_distinct and not column.has_word(of_rows):
        return "a different value in every row"
    return ""


def _why_no_feature(column: ColumnFacts, truths: Collection[str]) -> str:
    """Why a column without another role is no feature; empty when it is."""
    if column.name in truths:
        return "the true probability of a task, by its name"
    if column.has_word(names.SPLIT_WORDS):
        return "named like a split, but its values are not one for each of train, valid and test"
    if _may_be_moments(column):
        return "a moment: as a number, such as days before the row, it could be a feature"
    return feature_reason(column)


def _split(columns: Columns) -> ColumnRole | None:
    """A column with a value for each of train, valid and test; one named like a split first."""
    splits = [column for column in columns if len(column.parts) == len(SPLITS)]
    if not splits:
        return None
    splits.sort(key=lambda column: not column.has_word(names.SPLIT_WORDS))
    first, *others = splits
    doubt = _or_one_of(others).replace("or one", "or by one")
    return ColumnRole(first, first.values_in_words, doubt)


def _why_no_split(column: ColumnFacts) -> str:
    """Why a column of words of a split, which is not the split, has no role; empty for others."""
    parts = column.parts
    missing = [part for part in SPLITS if part not in parts]
    if not parts:
        return ""
    if not missing:
        return "another split: it says train, valid and test too"
    return f"a split without {' and '.join(missing)}: with rows of every part it could split"


def _tasks(columns: Columns) -> list[ColumnRole]:
    """Labels, those with the most positives first.

    These are the yes/no columns and counts that are named like a task; without any of them, all
    yes/no columns, but those named as known before, such as the sex.
    """
    columns = [column for column in columns if not _is_id(column)]
    tasks = _named_tasks(columns)
    if not tasks:
        flags = [column for column in columns if column.positive]
        flags = [flag for flag in flags if not flag.has_word(names.KNOWN_BEFORE_WORDS)]
        tasks = [ColumnRole(flag, label_in_words(flag), LABEL_OR_FEATURE) for flag in flags]
    return sorted(tasks, key=lambda task: -_positive_rate(task.column))


def _named_tasks(columns: Columns) -> list[ColumnRole]:
    """Yes/no columns and counts that are named like a task."""
    named = [column for column in columns if column.has_word(names.TASK_WORDS)]
    flags = [ColumnRole(column, label_in_words(column)) for column in named if column.positive]
    counts = [column for column in named if column.holds_few_counts]
    return [*flags, *(ColumnRole(column, "counts", COUNTS_AS_A_1) for column in counts)]


def label_in_words(column: ColumnFacts) -> str:
    """Say what a label holds: `0 and 1, 37 % of rows`, or `amounts, 0 to 600`."""
    if column.has_amounts:
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
    return f"{KNOWN_BEFORE}; {OR_A_TASK}" if outcome.has_amounts else KNOWN_BEFORE


def _scenario(columns: Columns, candidates: Columns) -> ColumnRole | None:
    """The scenario: a candidate of few values by its name, else a single value, else the fittest.

    A column of a single value may be any, as it is of no other use. Among columns of few values
    texts come first, then those that are no label, then the fewest values.
    """
    few = [column for column in candidates if 2 <= len(column.values) <= MAX_SCENARIOS]
    few = [column for column in few if _may_name_scenarios(column)]
    named = [column for column in few if column.has_word(names.SCENARIO_WORDS)]
    if named:
        reason = f"{named[0].values_in_words}, and a name like a scenario's"
        return ColumnRole(named[0], reason, _or_one_of(named[1:]))
    few.sort(key=lambda column: (not column.is_text, bool(column.positive), column.num_values))
    for column in columns:
        is_named = _may_name_scenarios(column) and column.has_word(names.SCENARIO_WORDS)
        if is_named and len(column.values) == 1:
            reason = "a name like a scenario's, and one value: a study of a single scenario"
            return ColumnRole(column, reason, _or_one_of(few) or "is there another?")
    if not few:
        return None
    doubt = "found by its few values alone; is it the scenario?"
    return ColumnRole(few[0], few[0].values_in_words, doubt)


def _may_name_scenarios(column: ColumnFacts) -> bool:
    """Whether it is no id and has no fractions, and its values are short enough for names."""
    if _is_id(column) or name_reason(column.name):
        return False
    is_short = all(len(value) <= names.LONGEST_NAME for value, _ in column.values)
    return is_short and (column.is_whole or not column.is_number)


def _id_column(columns: Columns, words: str, scenario: ColumnRole | None) -> ColumnRole | None:
    """User or item: whole numbers or texts with such a name, one with `id` in it first."""
    named = [column for column in _without(columns, [scenario]) if column.has_word(words)]
    named = [column for column in named if not names.is_price_or_post_code(column.name)]
    named = [column for column in named if column.is_whole or column.is_text]
    with_id = [column for column in named if column.has_word(names.ID_WORDS)]
    of_user_first = [column for column in with_id if column.has_word("user")]
    most = of_user_first or with_id or named
    best = max(most, key=lambda column: column.num_values, default=None)
    if best is None or (not with_id and best.num_values <= FEW_NUMBERS):
        return None
    return ColumnRole(best, best.values_in_words, "" if with_id else "an id?")


def _time(columns: Columns) -> ColumnRole | None:
    """The first date that is not one of the user, else numbers that are moments; without gaps.

    Dates with a name of time, and a time of day, are first.
    """
    columns = [column for column in columns if _is_complete(column)]
    dates = [column for column in columns if _is_date(column)]
    dates = [column for column in dates if not column.has_word(names.DATE_OF_USER_WORDS)]
    named = [column for column in dates if column.has_word(names.TIME_WORDS)]
    dates.sort(key=lambda column: (column not in named, isinstance(column.dtype, pl.Date)))
    for first in dates[:1]:
        doubt = "" if first in named else "is it the time of the row?"
        return ColumnRole(first, f"{first.low} to {first.high}", _or_one_of(dates[1:]) or doubt)
    for column in columns:
        if _may_be_moments(column) and not column.is_text:
            reason = f"{column.low:.0f} to {column.high:.0f}"
            if column.period:
                return ColumnRole(column, f"{reason}: {column.period}")
            return ColumnRole(column, reason, "do these numbers grow with time?")
    return None


def _has_order(column: ColumnFacts) -> bool:
    return _is_complete(column) and (column.dtype.is_numeric() or _is_date(column))


def _is_complete(column: ColumnFacts) -> bool:
    return not column.missing and not column.not_finite and column.num_values >= 3


def _is_date(column: ColumnFacts) -> bool:
    has_range = column.low is not None and column.high is not None
    return has_range and isinstance(column.dtype, pl.Date | pl.Datetime)


def _may_be_moments(column: ColumnFacts) -> bool:
    return column.is_like_moments and column.has_word(names.TIME_WORDS)


def _outcomes(columns: Columns, other_tasks: Iterable[ColumnRole]) -> list[ColumnRole]:
    """Columns named like tasks of other studies, and like something known only afterwards."""
    outcomes = [ColumnRole(task.column, OTHER_TASK, KNOWN_BEFORE) for task in other_tasks]
    for column in columns:
        is_amount = column.has_word(names.OUTCOME_WORDS) and column.is_number
        if is_amount or column.has_word(names.LATER_WORDS):
            outcomes.append(ColumnRole(column, AFTERWARDS, why_check(column)))
    return outcomes


def _feature(column: ColumnFacts, num_alike: Mapping[str, int]) -> ColumnRole:
    """`num_alike` are the features of every family."""
    family = names.family_of(column.name)
    is_yes_or_no = column.positive and not (family and num_alike[family] >= FAMILY)
    is_like_a_task = is_yes_or_no or column.has_word(names.TASK_WORDS)
    doubt = "known before? else list it in never_features" if is_like_a_task else ""
    if column.is_binary:
        return ColumnRole(column, label_in_words(column), doubt)
    if _holds_amounts(column):
        return ColumnRole(column, _range(column), doubt)
    return ColumnRole(column, column.values_in_words, doubt)


def _holds_amounts(column: ColumnFacts) -> bool:
    """Whether a feature is a number and no code: 0 and 1, fractions, or many numbers."""
    if column.is_binary:
        return True
    is_id = column.has_word(names.ID_WORDS) and column.is_whole
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
