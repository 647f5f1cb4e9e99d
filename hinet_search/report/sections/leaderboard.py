"""Leaderboard: one line per arm, what it reached on validation and on test, and what was added."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from markupsafe import Markup

from hinet_search.compare import CellDifference, Summary, in_words, measure, title
from hinet_search.records import StudyRecord
from hinet_search.report import numbers, reading
from hinet_search.report.card import Card, NotApplicable
from hinet_search.report.figures import marked
from hinet_search.report.markup import (
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
from hinet_search.report.standings import OnTest, OnValidation, Standing, loses_everywhere, losing_cells, standings

ORDER = 15
MOST_CELLS = 4  # cells that a line about losing cells names

Column = tuple[str, Callable[[Standing], Markup]]


@dataclass(frozen=True)
class Group:
    """Columns under one heading."""

    name: str
    columns: tuple[Column, ...]


def build(record: StudyRecord) -> Card:
    """The table, what ensembles and tuning added, and the cells that lose while others gain."""
    lines = standings(record)
    if not lines:
        raise NotApplicable("needs finalists; the launch command trains them once the trials are done")
    said = [tag("li", line) for line in (*_added(record, lines), *_waiting(record, lines))]
    listed = tag("ul", *said, class_="said") if said else ""
    body = [_table(record, lines), note(_legend(record, lines)), listed, _seesaw(record, lines)]
    return Card("leaderboard", "Verdict", _heading(record, lines), _lead(record, lines), join(body))


def _heading(record: StudyRecord, lines: Sequence[Standing]) -> str:
    first = title(lines[0].arm.name)
    known = [(one.test.headline.mean, title(one.arm.name)) for one in lines if one.test and one.test.headline]
    if not known:
        return f"{first} leads on validation"
    leader = (max if record.maximize else min)(known)[1]
    return f"{first} leads on validation and {'on test' if leader == first else f'{leader} on test'}"


def _lead(record: StudyRecord, lines: Sequence[Standing]) -> str:
    seeds = [one.seeds for one in lines]
    mean = f"mean and standard deviation over {numbers.seeds(seeds)}" if max(seeds) > 1 else "1 seed"
    return (
        f"Best {reading.objective_in_words(record)} on validation first, {mean} of each arm's chosen finalist. The order is "
        "no verdict: neighbours may differ by less than the seeds do."
    )


def _groups(record: StudyRecord, lines: Sequence[Standing]) -> list[Group]:
    ensembles = any(one.valid.ensemble is not None for one in lines)
    groups = [Group("Validation", _on_validation(record, ensembles=ensembles))]
    if any(one.test for one in lines):
        groups.append(Group("Test", _on_test(record, ensembles=ensembles)))
    if any(one.reference for one in lines):
        groups.append(Group(f"Test, over {title(record.reference)}", _OVER_REFERENCE))
    return groups


def _on_validation(record: StudyRecord, *, ensembles: bool) -> tuple[Column, ...]:
    selected, primary = reading.objective_in_words(record), reading.headline_in_words(record)
    columns: list[Column] = [(selected, lambda one: _over_seeds(one.valid.objective))]
    if primary != selected:
        columns.append((primary, lambda one: _over_seeds(one.valid.headline)))
    columns.append(("default, gain of tuning", lambda one: _default(one.valid)))
    if ensembles:
        columns.append(
            (f"ensemble, {selected}", lambda one: _two(one.valid.ensemble, numbers.gain(one.valid.together)))
        )
    return tuple(columns)


def _on_test(record: StudyRecord, *, ensembles: bool) -> tuple[Column, ...]:
    primary = reading.headline_in_words(record)
    columns: list[Column] = [(primary, _tested(lambda test: _over_seeds(test.headline)))]
    if primary != _WEIGHTED:
        columns.append((_WEIGHTED, _tested(lambda test: _over_seeds(test.weighted))))
    if ensembles:
        columns.append((f"ensemble, {primary}", _tested(lambda test: _two(test.ensemble, numbers.gain(test.together)))))
    columns.append(("worst cell", _tested(_worst)))
    return tuple(columns)


def _tested(cell: Callable[[OnTest], Markup]) -> Callable[[Standing], Markup]:
    """A column over test: a dash while an arm is not opened."""
    return lambda one: cell(one.test) if one.test else number(numbers.DASH)


def _over_seeds(found: Summary | None) -> Markup:
    return _two(found.mean, numbers.spread(found.deviation)) if found else number(numbers.DASH)


def _two(value: float | None, remark: str) -> Markup:
    """A value with a remark below it."""
    return number(numbers.DASH) if value is None else number(join([numbers.metric(value), " ", tag("small", remark)]))


def _default(valid: OnValidation) -> Markup:
    if valid.default is None:
        return number(numbers.DASH)
    return _two(valid.default.mean, "kept" if valid.kept_default else numbers.gain(valid.tuning))


def _worst(test: OnTest) -> Markup:
    if test.worst is None:
        return number(numbers.DASH)
    return _in_a_cell(numbers.metric(test.worst[0]), test.worst[1])


def _smallest(one: Standing) -> Markup:
    cell = one.reference.smallest if one.reference else None
    if cell is None or cell.difference is None:
        return number(numbers.DASH)
    return _in_a_cell(marked(cell.difference), (cell.scenario, cell.task))


def _in_a_cell(value: Content, cell: tuple[str, str]) -> Markup:
    return number(join([value, " ", tag("small", reading.cell_in_words(*cell))]), class_="in")


def _below(one: Standing) -> Markup:
    if one.reference is None:
        return number(numbers.DASH)
    return number("all" if loses_everywhere(one.reference) else str(one.reference.seesaw))


_WEIGHTED = "weighted AUC"
_OVER_REFERENCE: tuple[Column, ...] = (("smallest cell gain", _smallest), ("cells below", _below))


def _table(record: StudyRecord, lines: Sequence[Standing]) -> Markup:
    groups, focus = _groups(record, lines), reading.focus_of(record)
    columns = [found for group in groups for found in group.columns]
    edges = [tag("colgroup", span=str(len(group.columns))) for group in groups]
    spans = [tag("th", group.name, scope="colgroup", colspan=str(len(group.columns))) for group in groups]
    names = [column(name, "r") for name, _ in columns]
    header = tag("thead", tag("tr", tag("td"), *spans), tag("tr", column("Arm"), *names))
    body = [
        row(_name(record, one), *(cell(one) for _, cell in columns), class_="me" if one.arm == focus else "")
        for one in lines
    ]
    written = tag("table", tag("colgroup", span="1"), *edges, header, tag("tbody", *body), class_="board")
    return scroll("Leaderboard", written)


def _name(record: StudyRecord, one: Standing) -> Markup:
    remarks = [f"same size as {title(one.arm.size_of)}"] if one.arm.size_of else []
    remarks += ["reference"] if one.arm.name == record.reference else []
    return join([title(one.arm.name), " ", tag("small", ", ".join(remarks)) if remarks else ""])


def _legend(record: StudyRecord, lines: Sequence[Standing]) -> str:
    parts = ["Gain of tuning: the chosen configuration minus the default (kept: the default was chosen)."]
    if any(one.valid.ensemble is not None for one in lines):
        parts.append("Ensemble: mean probability of all seeds, and its gain over their mean.")
    if any(one.test for one in lines):
        parts.append(
            f"Worst cell: that of the {'lowest' if measure(record).maximize else 'highest'} {measure(record).name}."
        )
    if any(one.reference for one in lines):
        parts.append(f"Cells below {title(record.reference)} while others lie above it; all: none does.")
    return " ".join(parts)


def _added(record: StudyRecord, lines: Sequence[Standing]) -> Iterator[str]:
    """Ensembles beside tuning."""
    tuned = [one.valid.tuning for one in lines if one.valid.tuning is not None]
    together = [one.valid.together for one in lines if one.valid.together is not None]
    if not tuned or not together:
        return
    objective = reading.objective_in_words(record)
    more = (
        "more than"
        if fmean(together) > fmean(tuned)
        else "less than"
        if fmean(together) < fmean(tuned)
        else "as much as"
    )
    yield (
        f"In {objective} on validation an ensemble of seeds adds {numbers.gain(fmean(together))} to the mean of its seeds "
        f"(mean over {numbers.plural(len(together), 'arm')}), {more} tuning adds to the default: "
        f"{numbers.gain(fmean(tuned))} (mean over {numbers.plural(len(tuned), 'arm')})."
    )


def _seesaw(record: StudyRecord, lines: Sequence[Standing]) -> Markup:
    """How many arms lose against the reference in some cells while they gain in others, and behind a click in which."""
    compared, rows = (
        sum(one.reference is not None for one in lines),
        [_losing(one) for one in lines if losing_cells(one)],
    )
    if not compared:
        return Markup("")
    have = "has" if len(rows) == 1 else "have"
    some = numbers.spelled(len(rows)).capitalize()
    said = f"{some} of {numbers.plural(compared, 'arm')} {have} cells below {title(record.reference)} on test while others gain"
    if not rows:
        return note(f"{said}.")
    header = head("Arm", "Decided", column("Cells, the deepest first"))
    return details(said, scroll(said, table(header, rows)), on_paper=True)


def _losing(one: Standing) -> Markup:
    """Those cells of an arm by name, and how many of them are decided."""
    cells = losing_cells(one)
    named = [_cell_words(cell) for cell in cells[:MOST_CELLS]]
    named += [f"and {len(cells) - MOST_CELLS} more"] if len(cells) > MOST_CELLS else []
    sure = sum(cell.difference is not None and cell.difference.mark == "worse" for cell in cells)
    return row(title(one.arm.name), str(sure), words(", ".join(named)))


def _cell_words(cell: CellDifference) -> str:
    return f"{reading.cell_in_words(cell.scenario, cell.task)} {numbers.gain(cell.difference.mean if cell.difference else None)}"


def _waiting(record: StudyRecord, lines: Sequence[Standing]) -> Iterator[str]:
    """Arms that have no line yet."""
    shown = {one.arm.name for one in lines}
    if waiting := [title(arm.name) for arm in record.arms if arm.name not in shown]:
        yield f"Not in the table, as {'it has' if len(waiting) == 1 else 'they have'} no finalist yet: {in_words(waiting)}."
