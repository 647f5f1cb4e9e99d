"""Written: write the guesses of a table as a data definition, with reasons as comments."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import polars as pl

from hinet_search.data.guess.column_facts import ColumnFacts
from hinet_search.data.guess.frequent import MIN_CLASS_ROWS, ScenarioRows
from hinet_search.data.guess.names import ID_WORDS
from hinet_search.data.guess.proposed_rank import PAUSE, ProposedRank
from hinet_search.data.guess.roles import ColumnRole, ColumnRoles
from hinet_search.data.guess.target_statistics import ProposedStatistics
from hinet_search.data.guess.training_settings import TrainingSettings, training_settings
from hinet_search.study.data_definition import EVERY_ROW

PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
RARE = f"a label with fewer than {MIN_CLASS_ROWS} rows of a class in most scenarios"
MANY_USERS = 100  # distinct values
TRAINING_SHARE = 0.7  # of the rows, before validation and test
WORDS_OF_YAML = ("true", "false", "null", "yes", "no", "on", "off", "y", "n")


@dataclass(frozen=True)
class GuessedTable:
    """A table with the guessed roles of its columns.

    `source` are the keys of the source, a path as from the study's folder. `tasks` maps the name of
    a task to its label. `cuts` are the cut points of a split by time, None where there are no good
    ones. `taken` are the scenario values with
    enough rows of every task. `statistics` are the proposed ones.
    """

    source: Mapping[str, str]
    columns: tuple[ColumnFacts, ...]
    guesses: ColumnRoles
    scenarios: tuple[ScenarioRows, ...]
    tasks: dict[str, ColumnRole]
    statistics: ProposedStatistics
    cuts: tuple[str, str] | None = None
    taken: frozenset[str] = field(default_factory=frozenset)
    rank: ProposedRank | None = None

    @property
    def num_training_rows(self) -> int:
        """About how many rows a study trains on."""
        taken = [scenario.rows for scenario in self.scenarios if scenario.value in self.taken]
        return round(TRAINING_SHARE * sum(taken))

    @property
    def settings(self) -> TrainingSettings:
        """What a study should start from."""
        return training_settings(
            self.num_training_rows,
            has_statistics=bool(self.statistics.keys),
            has_numbers=bool(self.guesses.numeric),
            num_ids=sum(guess.column.num_values for guess in self.guesses.categorical),
        )


def definition_text(table: GuessedTable) -> str:
    """The text of the definition, with unprintable characters escaped in texts and comments."""
    return "".join(f"{printable(line)}\n" for line in _lines(table))


def quoted(text: str) -> str:
    """The text as a YAML scalar, quoted where it needs to be."""
    is_plain = PLAIN.fullmatch(text) and text.lower() not in WORDS_OF_YAML
    return text if is_plain else json.dumps(text, ensure_ascii=False)


def printable(line: str) -> str:
    """The line with a YAML escape in place of every unprintable character."""
    letters = []
    for letter in line:
        code = ord(letter)
        if letter.isprintable():
            letters.append(letter)
        elif code < 0x10000:
            letters.append(f"\\u{code:04x}")
        else:
            letters.append(f"\\U{code:08x}")
    return "".join(letters)


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
    yield from _role_lines(guesses)
    time = guesses.time.column if guesses.time else None
    unit = time.unit if time and time.is_whole else None
    if unit is not None:
        yield f"time_unit: {unit.key}   # {unit.name} since 1970; events and sessions need it"
    if table.rank is not None or guesses.user is not None:
        yield _rank_line(table.rank)
    yield from _feature_lines(table)
    yield from _statistics_lines(table.statistics)
    has_moments = unit is not None or (time is not None and isinstance(time.dtype, pl.Datetime))
    if guesses.user and has_moments:
        yield "  # events, session, sequences: what the log knows just before a row (docs/data.md)"
    yield from _other_lines(table)
    yield _split_line(guesses.split, table.cuts)
    if guesses.left_out:
        yield "# Left out:"
        for guess in guesses.left_out:
            yield f"#   {quoted(guess.name)}: {guess.reason}"


def _role_lines(guesses: ColumnRoles) -> Iterator[str]:
    """User, item, time and weight; without a user, a question about an id of several rows each."""
    for key in ("user", "item", "time", "weight"):
        guess: ColumnRole | None = getattr(guesses, key)
        if guess:
            yield _with_comment(f"{key}: {quoted(guess.name)}", guess)
    maybe = []
    for column in guesses.features:
        is_id = column.has_word(ID_WORDS) or (column.is_text and not column.is_number)
        repeats = MANY_USERS <= column.num_values <= column.rows / 2
        if is_id and repeats and column not in guesses.ids:
            maybe.append(column)
    if maybe and guesses.user is None:
        best = max(maybe, key=lambda column: (column.has_word(ID_WORDS), column.num_values))
        yield (
            f"# user: {quoted(best.name)}   # check: no user found, and intervals are over rows; "
            f"{best.values_in_words}, each several times: is it the user?"
        )


def _rank_line(rank: ProposedRank | None) -> str:
    if rank is None:
        return "# rank: no request, session or visits found whose labels differ (docs/data.md)"
    keys = f"visit: {PAUSE}" if rank.group is None else f"group: {quoted(rank.group)}"
    return f"rank: {{{keys}}}   # what is ordered together: {rank.reason}"


def _scenario_lines(table: GuessedTable) -> Iterator[str]:
    """The scenario with the values that are taken; the others as comments."""
    assert table.guesses.scenario is not None, "a table without a scenario is refused"
    column = table.guesses.scenario.column
    if column.name == EVERY_ROW:
        yield "scenario: {every_row: All}   # every row is of the only scenario"
        return
    yield "scenario:"
    yield _with_comment(f"  column: {quoted(column.name)}", table.guesses.scenario)
    yield "  values:             # value in the table: name in the report"
    for scenario in table.scenarios:
        positives = ", ".join(_positives(table, name, scenario) for name in table.tasks)
        line = f"{_value(scenario.value, column)}: {quoted(scenario.value)}"
        reason = f"{scenario.rows:,} rows; {positives}"
        if scenario.value in table.taken:
            yield f"    {line}   # {reason}"
        else:
            yield f"    # {line}   left out, too few of a class: {reason}"


def _positives(table: GuessedTable, task: str, scenario: ScenarioRows) -> str:
    """`click 1,204`: the rows with a 1 of a task in a scenario."""
    label = _place(table, table.tasks[task].column)
    if label in scenario.unlabelled:
        return f"no {task}"
    above = " above 0" if label in scenario.amounts else ""
    return f"{task} {scenario.positives[label]:,}{above}"


def _place(table: GuessedTable, label: ColumnFacts) -> int:
    """The place of a label among all, which counts of a scenario have."""
    return [guess.column for guess in table.guesses.tasks].index(label)


def _feature_lines(table: GuessedTable) -> Iterator[str]:
    guesses = table.guesses
    yield "features:"
    for kind, features in (("categorical", guesses.categorical), ("numeric", guesses.numeric)):
        if features:
            yield f"  {kind}:"
        for guess in features:
            yield _with_comment(f"    - {quoted(guess.name)}", guess)


def _statistics_lines(statistics: ProposedStatistics) -> Iterator[str]:
    """The keys of target statistics and their clock; a comment where there is none."""
    if not statistics.keys:
        return
    yield "  statistics:           # label rates and row counts of every key, from other rows"
    yield "    by:"
    for key in statistics.keys:
        columns = ", ".join(map(quoted, key.columns))
        if len(key.columns) > 1:
            columns = f"[{columns}]"
        yield f"      - {columns}   # {key.reason}"
    clock = statistics.clock
    if clock is None:
        yield f"    # no clock, as {statistics.why_no_clock}: a row counts labels of other folds"
        return
    yield f"    clock: {quoted(clock.column)}   # {clock.reason}"
    if clock.unit is not None:
        yield f"    day_length: {clock.unit.day}   # {clock.unit.name}"
    yield "    refresh: day   # production updates the counts every day; never if it does not"


def _other_lines(table: GuessedTable) -> Iterator[str]:
    """Outcomes, labels that are rare, and what becomes of numbers that are not finite."""
    guesses = table.guesses
    labels = {task.name for task in table.tasks.values()}
    rare = [ColumnRole(task.column, RARE) for task in guesses.tasks if task.name not in labels]
    never_features = (*guesses.outcomes, *rare)
    if never_features:
        yield "never_features:"
    for guess in never_features:
        yield _with_comment(f"  - {quoted(guess.name)}", guess)
    if any(guess.column.not_finite for guess in guesses.numeric):
        yield "not_finite: impute    # NaN and infinity become the mean of training, with a flag"


def _split_line(split: ColumnRole | None, cuts: tuple[str, str] | None) -> str:
    if split is not None:
        keys = ["by: column", f"column: {quoted(split.name)}"]
        for part, value in split.column.parts.items():
            if part != value:
                keys.append(f"{part}: {_value(value, split.column)}")
        return _with_comment(f"split: {{{', '.join(keys)}}}", split)
    if cuts is not None:
        line = f"split: {{by: time, valid_from: {cuts[0]}, test_from: {cuts[1]}}}"
        return f"{line}   # about 70, 15 and 15 % of the rows"
    return "split: {by: random}   # check: no column splits by time, which is the honest way"


def _with_comment(line: str, guess: ColumnRole) -> str:
    """The line with the reason of a guess, and its doubt as something to check."""
    if guess.to_check:
        return f"{line}   # check: {guess.reason}; {guess.to_check}"
    return f"{line}   # {guess.reason}"


def _task(table: GuessedTable, column: ColumnFacts) -> str:
    """A label, with the scenarios that have it if in some of those taken it is always missing."""
    label = _place(table, column)
    lacking = [row for row in table.scenarios if label in row.unlabelled]
    if not any(row.value in table.taken for row in lacking):
        return _label(column)
    having = [row for row in table.scenarios if row.value in table.taken and row not in lacking]
    named = ", ".join(quoted(row.value) for row in having)
    known = replace(column, missing=column.missing - sum(row.rows for row in lacking))
    return f"{_label(known)}, scenarios: [{named}]"


def _label(column: ColumnFacts) -> str:
    """The column of a label and the rule for a 1, where values of yes and no or counts need one.

    Amounts have their kind.
    """
    if column.rule:
        return f"column: {quoted(column.made_of)}, {column.rule}"
    line = f"column: {quoted(column.name)}"
    if column.has_amounts:
        return f"{line}, kind: amount"
    if column.is_binary or not (column.positive or column.holds_few_counts):
        return line
    rule = f"equals: {_value(column.positive, column)}" if column.positive else "above: 0"
    return f"{line}, {rule}"


def has_gaps(column: ColumnFacts) -> bool:
    """Whether rows lack a label that no rule takes for a 0."""
    has_equals = column.positive and not (column.rule or column.has_amounts)
    return column.missing > 0 and not has_equals


def _value(text: str, column: ColumnFacts) -> str:
    """A value of the table: whole numbers, true and false as they are, others quoted as needed."""
    return text if column.dtype.is_integer() or column.dtype == pl.Boolean else quoted(text)
