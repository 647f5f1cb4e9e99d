"""Leaderboard: each arm's validation and test values, and its gains from tuning and ensembles."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from markupsafe import Markup

from hinet_search.report.card import NEEDS_FINALISTS, Card, NotApplicable
from hinet_search.report.drawing import numbers
from hinet_search.report.drawing.figures import marked, over_seeds
from hinet_search.report.drawing.html import (
    Content,
    column,
    details,
    head,
    join,
    note,
    number,
    row,
    scroll,
    table,
    tag,
    words,
)
from hinet_search.report.facts import record as record_facts
from hinet_search.report.facts.amounts import prediction
from hinet_search.report.facts.standings import (
    LeaderboardEntry,
    ResultsOnTest,
    ResultsOnValidation,
    gain_in_words,
    loses_everywhere,
    losing_cells,
    standings,
)
from hinet_search.results.finalist_values import measure
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import in_words, title

ORDER = 15
MOST_CELLS = 4  # cells that a line about losing cells names

Column = tuple[str, Callable[[LeaderboardEntry], Markup]]


@dataclass(frozen=True)
class ColumnGroup:
    """Columns under one heading."""

    name: str
    columns: tuple[Column, ...]


def build(record: StudyRecord) -> Card:
    """Build the table, the gains of ensembles and tuning, and the losing cells."""
    lines = standings(record)
    if not lines:
        raise NotApplicable(NEEDS_FINALISTS)
    items = [tag("li", text) for text in (*_added(record, lines), *_waiting(record, lines))]
    listed = tag("ul", *items, class_="said") if items else ""
    body = [_table(record, lines), note(_legend(record, lines)), listed, _seesaw(record, lines)]
    return Card("leaderboard", "Verdict", _heading(record, lines), _lead(record, lines), join(body))


def _heading(record: StudyRecord, lines: Sequence[LeaderboardEntry]) -> str:
    first = title(lines[0].arm.name)
    known = [
        (line.test.headline.mean, title(line.arm.name))
        for line in lines
        if line.test and line.test.headline
    ]
    if not known:
        return f"{first} leads on validation"
    pick = max if record.maximize else min
    _, leader = pick(known)
    if leader == first:
        return f"{first} leads on validation and on test"
    return f"{first} leads on validation and {leader} on test"


def _lead(record: StudyRecord, lines: Sequence[LeaderboardEntry]) -> str:
    seeds = [line.seeds for line in lines]
    mean = "1 seed"
    if max(seeds) > 1:
        mean = f"mean and standard deviation over {numbers.seeds(seeds)}"
    return (
        f"Best {record_facts.objective_in_words(record)} on validation first, {mean} of each arm's "
        "chosen finalist. The order is not a verdict: neighbours may differ by less than seeds do."
    )


def _groups(record: StudyRecord, lines: Sequence[LeaderboardEntry]) -> list[ColumnGroup]:
    ensembles = any(line.valid.ensemble is not None for line in lines)
    groups = [ColumnGroup("Validation", _on_validation(record, ensembles=ensembles))]
    if any(line.test for line in lines):
        groups.append(ColumnGroup("Test", _on_test(record, ensembles=ensembles)))
    if any(line.reference for line in lines):
        groups.append(ColumnGroup(f"Test, over {title(record.reference)}", _OVER_REFERENCE))
    return groups


def _on_validation(record: StudyRecord, *, ensembles: bool) -> tuple[Column, ...]:
    selected = record_facts.objective_in_words(record)
    primary = record_facts.headline_in_words(record)
    columns: list[Column] = [(selected, lambda line: over_seeds(line.valid.objective))]
    if primary != selected:
        columns.append((primary, lambda line: over_seeds(line.valid.headline)))
    columns.append(("default, gain of tuning", lambda line: _default(line.valid)))
    if ensembles:
        columns.append(
            (
                f"ensemble, {selected}",
                lambda line: _two(line.valid.ensemble, numbers.gain(line.valid.ensemble_gain)),
            )
        )
    return tuple(columns)


def _on_test(record: StudyRecord, *, ensembles: bool) -> tuple[Column, ...]:
    primary = record_facts.headline_in_words(record)
    columns: list[Column] = [(primary, _tested(lambda test: over_seeds(test.headline)))]
    if primary != _WEIGHTED:
        columns.append((_WEIGHTED, _tested(lambda test: over_seeds(test.weighted))))
    if ensembles:
        columns.append(
            (
                f"ensemble, {primary}",
                _tested(lambda test: _two(test.ensemble, numbers.gain(test.ensemble_gain))),
            )
        )
    columns.append(("worst cell", _tested(_worst)))
    return tuple(columns)


def _tested(cell: Callable[[ResultsOnTest], Markup]) -> Callable[[LeaderboardEntry], Markup]:
    """Make a column of test values; an arm that was not evaluated on test gets a dash."""
    return lambda line: cell(line.test) if line.test else number(numbers.DASH)


def _two(value: float | None, remark: str) -> Markup:
    """Return a cell with a value and a remark below it."""
    if value is None:
        return number(numbers.DASH)
    return number(join([numbers.metric(value), " ", tag("small", remark)]))


def _default(valid: ResultsOnValidation) -> Markup:
    if valid.default is None:
        return number(numbers.DASH)
    return _two(valid.default.mean, "kept" if valid.kept_default else numbers.gain(valid.tuning))


def _worst(test: ResultsOnTest) -> Markup:
    if test.worst is None:
        return number(numbers.DASH)
    return _in_a_cell(numbers.metric(test.worst[0]), test.worst[1])


def _smallest(line: LeaderboardEntry) -> Markup:
    cell = line.reference.smallest if line.reference else None
    if cell is None or cell.difference is None:
        return number(numbers.DASH)
    return _in_a_cell(marked(cell.difference), (cell.scenario, cell.task))


def _in_a_cell(value: Content, cell: tuple[str, str]) -> Markup:
    return number(join([value, " ", tag("small", record_facts.cell_in_words(*cell))]), class_="in")


def _below(line: LeaderboardEntry) -> Markup:
    if line.reference is None:
        return number(numbers.DASH)
    return number("all" if loses_everywhere(line.reference) else str(line.reference.seesaw))


def _relative(line: LeaderboardEntry) -> Markup:
    if line.relative is None or line.relative.multi_task_gain is None:
        return number(numbers.DASH)
    multi_task_gain = tag("small", numbers.change(line.relative.multi_task_gain))
    return number(join([numbers.change(line.relative.rela_impr), " ", multi_task_gain]))


_WEIGHTED = "weighted AUC"
_OVER_REFERENCE: tuple[Column, ...] = (
    ("RelaImpr, multi-task gain", _relative),
    ("smallest cell gain", _smallest),
    ("cells below", _below),
)


def _table(record: StudyRecord, lines: Sequence[LeaderboardEntry]) -> Markup:
    groups = _groups(record, lines)
    focus = record_facts.focus_of(record)
    columns = [entry for group in groups for entry in group.columns]
    edges = [tag("colgroup", span=str(len(group.columns))) for group in groups]
    spans = [
        tag("th", group.name, scope="colgroup", colspan=str(len(group.columns))) for group in groups
    ]
    names = [column(name, "r") for name, _ in columns]
    header = tag("thead", tag("tr", tag("td"), *spans), tag("tr", column("Arm"), *names))
    body = [
        row(
            _name(record, line),
            *(cell(line) for _, cell in columns),
            class_="me" if line.arm == focus else "",
        )
        for line in lines
    ]
    written = tag(
        "table", tag("colgroup", span="1"), *edges, header, tag("tbody", *body), class_="board"
    )
    return scroll("Leaderboard", written)


def _name(record: StudyRecord, line: LeaderboardEntry) -> Markup:
    remarks = [f"same size as {title(line.arm.size_of)}"] if line.arm.size_of else []
    remarks += ["reference"] if line.arm.name == record.reference else []
    remark = tag("small", ", ".join(remarks)) if remarks else ""
    return join([title(line.arm.name), " ", remark])


def _legend(record: StudyRecord, lines: Sequence[LeaderboardEntry]) -> str:
    parts = [
        "Gain of tuning: the chosen configuration minus the default (kept: the default was chosen)."
    ]
    if any(line.valid.ensemble is not None for line in lines):
        averaged = prediction(record.data)
        parts.append(f"Ensemble: mean {averaged} of all seeds, and its gain over their mean.")
    if any(line.test for line in lines):
        extreme = "lowest" if measure(record).maximize else "highest"
        parts.append(f"Worst cell: the cell with the {extreme} {measure(record).words}.")
    if any(line.relative for line in lines):
        parts.append(_of_relative(record))
    if any(line.reference for line in lines):
        reference = title(record.reference)
        parts.append(
            f"Cells below: those below {reference} while others are above it (all: none is above)."
        )
    return " ".join(parts)


def _of_relative(record: StudyRecord) -> str:
    other = title(record.reference)
    name = measure(record).words
    rela_impr = f"not defined for {name}"
    if measure(record).is_half_by_chance:
        rela_impr = f"mean over cells of (AUC − .5) / (AUC of {other} − .5) − 1"
    multi_task_gain = f"mean over cells of the gain divided by the value of {other}"
    return f"RelaImpr: {rela_impr}. Multi-task gain: {multi_task_gain}."


def _added(record: StudyRecord, lines: Sequence[LeaderboardEntry]) -> Iterator[str]:
    """Compare the mean gain of ensembles with that of tuning."""
    tuning = [line.valid.tuning for line in lines if line.valid.tuning is not None]
    ensembles = [line.valid.ensemble_gain for line in lines if line.valid.ensemble_gain is not None]
    if not tuning or not ensembles:
        return
    by_ensembles = fmean(ensembles)
    by_tuning = fmean(tuning)
    comparison = "as much as"
    if by_ensembles != by_tuning:
        comparison = "more than" if by_ensembles > by_tuning else "less than"
    yield (
        f"In {record_facts.objective_in_words(record)} on validation an ensemble of seeds adds "
        f"{numbers.gain(by_ensembles)} to the mean of its seeds (mean over "
        f"{numbers.plural(len(ensembles), 'arm')}), {comparison} tuning adds to the default: "
        f"{numbers.gain(by_tuning)} (mean over {numbers.plural(len(tuning), 'arm')})."
    )


def _seesaw(record: StudyRecord, lines: Sequence[LeaderboardEntry]) -> Markup:
    """Count the arms that lose in some cells and gain in others, with those cells folded."""
    compared = sum(line.reference is not None for line in lines)
    if not compared:
        return Markup("")
    rows = [_losing(line) for line in lines if losing_cells(line)]
    count = f"{numbers.spelled(len(rows)).capitalize()} of {numbers.plural(compared, 'arm')}"
    have = "has" if len(rows) == 1 else "have"
    reference = title(record.reference)
    summary = f"{count} {have} cells below {reference} on test while others gain"
    if not rows:
        return note(f"{summary}.")
    header = head("Arm", "Significant", column("Cells, largest loss first"))
    return details(summary, scroll(summary, table(header, rows)), on_paper=True)


def _losing(line: LeaderboardEntry) -> Markup:
    """Return a row with the losing cells of an arm by name, and how many losses are significant."""
    cells = losing_cells(line)
    named = [gain_in_words(cell) for cell in cells[:MOST_CELLS]]
    if len(cells) > MOST_CELLS:
        named.append(f"and {len(cells) - MOST_CELLS} more")
    worse = [cell.difference for cell in cells if cell.difference is not None]
    num_significant = sum(difference.mark == "worse" for difference in worse)
    return row(title(line.arm.name), str(num_significant), words(", ".join(named)))


def _waiting(record: StudyRecord, lines: Sequence[LeaderboardEntry]) -> Iterator[str]:
    """Name the arms that are not in the table yet."""
    listed = {line.arm.name for line in lines}
    waiting = [title(arm.name) for arm in record.arms if arm.name not in listed]
    if waiting:
        yield f"Not in the table, without a finalist so far: {in_words(waiting)}."
