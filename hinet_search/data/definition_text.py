"""Written: write the guesses of a table as a data definition, with reasons as comments."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from hinet_search.data.frequent import ScenarioRows
from hinet_search.data.guess.column_facts import ColumnFacts, has_amounts, holds_few_counts
from hinet_search.data.guess.lists import GuessedList
from hinet_search.data.guess.moments import DATES_BELOW, UNITS
from hinet_search.data.guess.names import parts_of
from hinet_search.data.guess.roles import ColumnRole, ColumnRoles
from hinet_search.data.guess.target_statistics import ProposedKey, ProposedStatistics
from hinet_search.study.data_definition import EVERY_ROW
from hinet_search.study.event_definition import NANOSECONDS, TimeUnit

KEYS: tuple[TimeUnit, ...] = ("s", "ms", "us", "ns")

PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
USUAL_DELAY = "1h"  # of labels, to be corrected
USUAL_LENGTH = 20  # of a sequence
TRAINING_SHARE = 0.7  # of the rows, before validation and test
WORDS_OF_YAML = ("true", "false", "null", "yes", "no", "on", "off", "y", "n")


@dataclass(frozen=True)
class GuessedTable:
    """A table with the guessed roles of its columns.

    `source` are the keys of the source, a path as from the study's folder. `tasks` maps the name of
    a task to its label; `rare` are labels with too few rows of a class. `cuts` are the cut points
    of a split by time, None where there are no good ones. `taken` are the scenario values with
    enough rows of every task. `statistics` are the proposed ones.
    """

    source: Mapping[str, str]
    columns: tuple[ColumnFacts, ...]
    guesses: ColumnRoles
    scenarios: tuple[ScenarioRows, ...]
    tasks: dict[str, ColumnRole]
    rare: tuple[ColumnRole, ...] = ()
    cuts: tuple[str, str] | None = None
    taken: frozenset[str] = field(default_factory=frozenset)
    statistics: ProposedStatistics | None = None
    lists: tuple[GuessedList, ...] = ()

    @property
    def num_training_rows(self) -> int:
        """About how many rows a study trains on."""
        taken = [scenario.rows for scenario in self.scenarios if scenario.value in self.taken]
        return round(TRAINING_SHARE * sum(taken))

    @property
    def has_statistics(self) -> bool:
        """Whether statistics of labels are proposed."""
        return self.statistics is not None and bool(self.statistics.keys)

    @property
    def has_numbers(self) -> bool:
        """Whether features are numbers, beside statistics."""
        return bool(self.guesses.numeric)

    @property
    def num_ids(self) -> int:
        """About how many values all categorical features have."""
        return sum(guess.column.num_values for guess in self.guesses.categorical)


def definition_text(table: GuessedTable) -> str:
    """The text of the definition, with unprintable characters escaped in texts and comments."""
    return "".join(f"{printable(line)}\n" for line in _lines(table))


def quoted(text: str) -> str:
    """The text as a YAML scalar, quoted where it needs to be."""
    is_plain = PLAIN.fullmatch(text) and text.lower() not in WORDS_OF_YAML
    return text if is_plain else json.dumps(text, ensure_ascii=False)


def printable(line: str) -> str:
    """The line with a YAML escape in place of every unprintable character."""
    return "".join(map(_escaped, line))


def _escaped(letter: str) -> str:
    if letter.isprintable():
        return letter
    code = ord(letter)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _lines(table: GuessedTable) -> Iterator[str]:
    guesses = table.guesses
    num_rows = table.columns[0].rows
    num_columns = sum(not column.made_of for column in table.columns)
    yield (
        f"# Guessed from {num_rows:,} rows of {num_columns} columns. "
        "Every key: docs/data.md. Look at lines with a 'check'."
    )
    source = ", ".join(f"{key}: {quoted(value)}" for key, value in table.source.items())
    yield f"source: {{{source}}}"
    yield from _scenario_lines(table)
    yield "tasks:                # in the order of the funnel: the most frequent first"
    for name, task in table.tasks.items():
        yield _with_comment(f"  {quoted(name)}: {{{_task(table, task.column)}}}", task)
    if any(has_gaps(task.column) for task in table.tasks.values()):
        yield "unlabelled: drop      # rows without a label"
    for key in ("user", "item", "time", "weight"):
        guess: ColumnRole | None = getattr(guesses, key)
        if guess:
            yield _with_comment(f"{key}: {quoted(guess.column.name)}", guess)
    unit = time_unit_of(guesses.time.column) if guesses.time else None
    if unit is not None:
        yield f"time_unit: {unit[0]}   # {unit[1]} since 1970; events and sessions need it"
    yield from _feature_lines(table)
    if table.statistics is not None:
        yield from _statistics_lines(table.statistics)
        yield from _log_lines(table, table.statistics)
    yield from _other_lines(guesses, table.rare)
    yield _split_line(guesses.split, table.cuts)
    if guesses.left_out:
        yield "# Left out:"
        for guess in guesses.left_out:
            yield f"#   {quoted(guess.column.name)}: {guess.reason}"


def _scenario_lines(table: GuessedTable) -> Iterator[str]:
    """The scenario with the values that are taken; the others as comments."""
    assert table.guesses.scenario is not None, "a table without a scenario is refused"
    column = table.guesses.scenario.column
    if column.name == EVERY_ROW:
        yield "scenario: {every_row: All}   # no column has the few values of a scenario"
        return
    yield "scenario:"
    yield _with_comment(f"  column: {quoted(column.name)}", table.guesses.scenario)
    yield "  values:             # value in the table: name in the report"
    labels = {task.column.name: label for label, task in enumerate(table.guesses.tasks)}
    for scenario in table.scenarios:
        positives = []
        for name, task in table.tasks.items():
            label = labels[task.column.name]
            count = f"{name} {scenario.positives[label]:,}"
            if label in scenario.amounts:
                count += " above 0"
            if label in scenario.unlabelled:
                count = f"no {name}"
            positives.append(count)
        line = f"{_value(scenario.value, column)}: {quoted(scenario.value)}"
        reason = f"{scenario.rows:,} rows; {', '.join(positives)}"
        if scenario.value in table.taken:
            yield f"    {line}   # {reason}"
        else:
            asked = [labels[task.column.name] for task in table.tasks.values()]
            in_train = " in train" if any(map(scenario.lacks_training_only, asked)) else ""
            yield f"    # {line}   left out, too few of a class{in_train}: {reason}"


def _feature_lines(table: GuessedTable) -> Iterator[str]:
    guesses = table.guesses
    yield "features:"
    for kind, features in (("categorical", guesses.categorical), ("numeric", guesses.numeric)):
        if features:
            yield f"  {kind}:"
        for guess in features:
            yield _with_comment(f"    - {quoted(guess.column.name)}", guess)
    if table.lists:
        yield "  lists:"
    for list_ in table.lists:
        yield _with_comment(f"    {_list(list_)}", list_)


def _log_lines(table: GuessedTable, statistics: ProposedStatistics) -> Iterator[str]:
    """Events, sessions and sequences as comments, where rows have moments, as production has."""
    guesses = table.guesses
    if guesses.time is None or guesses.user is None or statistics.clock is None:
        return
    time = guesses.time.column
    if time_unit_of(time) is None and not isinstance(time.dtype, pl.Datetime):
        return
    user = quoted(guesses.user.column.name)
    keys = []
    if guesses.item is not None:
        keys.append(quoted(guesses.item.column.name))
    if guesses.scenario is not None and guesses.scenario.column.name != EVERY_ROW:
        keys.append(f"[{user}, {quoted(guesses.scenario.column.name)}]")
    by = f"[{', '.join([user, *keys])}]"
    yield "  # What the log knows minutes before a row: remove the # if production knows it too,"
    yield "  # and say how long after its row a label is known there, or never (docs/data.md)."
    yield f"  # events: {{by: {by}, windows: [1h, 1d, all], labels_after: {USUAL_DELAY}}}"
    yield "  # session: {gap: 30m}   # where a row stands in the visit of its user"
    features = {feature.column.name for feature in guesses.categorical}
    if guesses.item is not None and guesses.item.column.name in features:
        yield "  # sequences:            # the last items of the user, in order"
        item = quoted(guesses.item.column.name)
        tasks = ", ".join(map(quoted, table.tasks))
        yield f"  #   seen: {{of: {user}, items: [{item}], length: {USUAL_LENGTH},"
        yield f"  #     labels: [{tasks}], labels_after: {USUAL_DELAY}}}"


def _statistics_lines(statistics: ProposedStatistics) -> Iterator[str]:
    """The keys of target statistics and their clock; a comment where there is none."""
    left_out = [f"{_key(key)}: {key.reason}" for key in statistics.left_out]
    if not statistics.keys:
        yield from (f"  # no statistics by {line}" for line in left_out)
        return
    yield "  statistics:           # label rates and row counts of every key, from other rows"
    yield "    by:"
    yield from (f"      - {_key(key)}   # {key.reason}" for key in statistics.keys)
    yield from (f"      # left out: {line}" for line in left_out)
    clock = statistics.clock
    if clock is None:
        yield f"    # no clock, as {statistics.why_no_clock}: a row counts labels of other folds"
        return
    yield f"    clock: {quoted(clock.column)}   # {clock.reason}"
    if clock.day_length is not None:
        yield f"    day_length: {clock.day_length}   # {clock.unit}"
    yield "    refresh: day   # production updates the counts every day; never if it does not"


def _key(key: ProposedKey) -> str:
    """A key as YAML: a column, or several in brackets."""
    columns = [quoted(column) for column in key.columns]
    return columns[0] if len(columns) == 1 else f"[{', '.join(columns)}]"


def _other_lines(guesses: ColumnRoles, rare: Sequence[ColumnRole]) -> Iterator[str]:
    """Outcomes, and what becomes of numbers that are not finite."""
    never_features = (*guesses.outcomes, *rare)
    if never_features:
        yield "never_features:"
    for guess in never_features:
        yield _with_comment(f"  - {quoted(guess.column.name)}", guess)
    if any(guess.column.not_finite for guess in guesses.numeric):
        yield "not_finite: impute    # NaN and infinity become the mean of training, with a flag"


def _split_line(split: ColumnRole | None, cuts: tuple[str, str] | None) -> str:
    if split is not None:
        parts = parts_of([value for value, _ in split.column.values])
        renamed = [
            f"{part}: {_value(value, split.column)}"
            for part, value in parts.items()
            if part != value
        ]
        keys = ", ".join(["by: column", f"column: {quoted(split.column.name)}", *renamed])
        return _with_comment(f"split: {{{keys}}}", split)
    if cuts is not None:
        line = f"split: {{by: time, valid_from: {cuts[0]}, test_from: {cuts[1]}}}"
        return f"{line}   # about 70, 15 and 15 % of the rows"
    return "split: {by: random}   # check: no column splits by time, which is the honest way"


def _list(guess: GuessedList) -> str:
    """The key of a list, named after its column, and its values."""
    name = quoted(guess.column.name)
    keys = [f"column: {name}", f"length: {guess.length}"]
    if guess.separator:
        keys.insert(1, f"separator: {quoted(guess.separator)}")
    return f"{name}: {{{', '.join(keys)}}}"


def _with_comment(line: str, guess: ColumnRole | GuessedList) -> str:
    """The line with the reason of a guess, and its doubt as something to check."""
    if guess.to_check:
        return f"{line}   # check: {guess.reason}; {guess.to_check}"
    return f"{line}   # {guess.reason}"


def _task(table: GuessedTable, column: ColumnFacts) -> str:
    """A label, with the scenarios that have it if in some of those taken it is always missing."""
    label = [guess.column for guess in table.guesses.tasks].index(column)
    lacking = [row for row in table.scenarios if label in row.unlabelled]
    if not any(row.value in table.taken for row in lacking):
        return _label(column)
    named = [
        quoted(row.value)
        for row in table.scenarios
        if row.value in table.taken and row not in lacking
    ]
    known = replace(column, missing=column.missing - sum(row.rows for row in lacking))
    return f"{_label(known)}, scenarios: [{', '.join(named)}]"


def _label(column: ColumnFacts) -> str:
    """The column of a label and the rule for a 1, where values of yes and no or counts need one.

    Amounts have their kind.
    """
    if column.rule:
        return f"column: {quoted(column.made_of)}, {column.rule}"
    line = f"column: {quoted(column.name)}"
    if has_amounts(column):
        return f"{line}, kind: amount"
    if column.is_binary or not (column.positive or holds_few_counts(column)):
        return line
    rule = f"equals: {_value(column.positive, column)}" if column.positive else "above: 0"
    return f"{line}, {rule}"


def has_gaps(column: ColumnFacts) -> bool:
    """Whether rows lack a label that no rule takes for a 0."""
    has_equals = column.positive and not (column.rule or has_amounts(column))
    return column.missing > 0 and not has_equals


def _value(text: str, column: ColumnFacts) -> str:
    """A value of the table: whole numbers, true and false as they are, others quoted as needed."""
    return text if column.dtype.is_integer() or column.dtype == pl.Boolean else quoted(text)


def time_unit_of(column: ColumnFacts) -> tuple[TimeUnit, str] | None:
    """The unit of whole numbers since 1970 and its name; None for dates and other times."""
    if not column.dtype.is_numeric() or not column.is_whole or column.high < DATES_BELOW:
        return None
    key_of = {NANOSECONDS["s"] // NANOSECONDS[key]: key for key in KEYS}
    for limit, name, a_second in UNITS:
        if column.high < limit:
            return key_of[a_second], name
    return None
