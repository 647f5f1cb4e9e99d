"""Importance: with which settings the trials vary, and where the best value lies in its range."""

import itertools
from collections.abc import Sequence

from markupsafe import Markup

from hinet_search.compare import title
from hinet_search.records import ArmRecord, ParameterRange, Scalar, StudyRecord
from hinet_search.report import numbers, reading
from hinet_search.report.card import Card, NotApplicable
from hinet_search.report.figures import bar
from hinet_search.report.markup import (
    column,
    details,
    folds,
    head,
    join,
    note,
    number,
    row,
    scroll,
    table,
    tag,
    unnamed,
    words,
)

ORDER = 54
MOST = 6  # settings in the open table; those at the edge of their range stand there too
_SPELLED = {str(value): numbers.setting(value) for value in (True, False, None)}  # as the best value is written


def build(record: StudyRecord) -> Card:
    """The focus arm in full, the others behind a click."""
    arms = [arm for arm in reading.ordered_arms(record) if arm.ranges and reading.best_parameters(record, arm)]
    if not arms:
        raise NotApplicable("needs a finished trial of an arm with searched parameters")
    first, *others = arms
    shown, hidden = _rows(record, first)
    folded = [(f"{numbers.plural(len(hidden), 'more setting')} of {title(first.name)}", hidden)] if hidden else []
    folded += [(f"Settings of {title(arm.name)}", [*itertools.chain(*_rows(record, arm))]) for arm in others]
    body = [_table(title(first.name), shown), _legend(record)]
    body += [folds(details(name, _table(name, rows)) for name, rows in folded)] if folded else []
    lead = "Share of the variation between trials that goes with a setting, and the best value in its searched range."
    return Card("importance", "Search", _heading(record, arms), lead, join(body))


def _heading(record: StudyRecord, arms: Sequence[ArmRecord]) -> str:
    edges = sum(len(reading.at_the_edge(record, arm)) for arm in arms)
    name = title(arms[0].name)
    first = f"Which settings matter for {name}?"
    if arms[0].importances:
        setting, share = max(arms[0].importances.items(), key=lambda pair: pair[1])
        first = f"{setting} is the most important setting of {name}, {numbers.percent(share)}"
    if not edges:
        return first
    counted = f"over all arms {numbers.plural(edges, 'best value')} {'lies' if edges == 1 else 'lie'} at the edge"
    return f"{first}; {counted}" if arms[0].importances else f"{first} {reading.capitalized(counted)}"


def _legend(record: StudyRecord) -> Markup:
    return note(
        "Dot: the best value in its range, on the scale of the search; at the edge: a wider range may hold a better one. ",
        f"Importance is of the {record.sampler} trials only and says nothing about values that were not tried.",
    )


def _rows(record: StudyRecord, arm: ArmRecord) -> tuple[list[Markup], list[Markup]]:
    """The rows to be seen at once, and the others; the most important setting first."""
    best, edges = reading.best_parameters(record, arm), [one.name for one, _, _ in reading.at_the_edge(record, arm)]
    shown: list[Markup] = []
    hidden: list[Markup] = []
    for index, searched in enumerate(sorted(arm.ranges, key=lambda one: -arm.importances.get(one.name, 0.0))):
        kept = shown if index < MOST or searched.name in edges else hidden
        kept.append(_row(arm, searched, best.get(searched.name)))
    return shown, hidden


def _table(name: str, rows: Sequence[Markup]) -> Markup:
    header = head("Setting", column("Importance"), unnamed("share"), "Best", column("In its range", "rng"))
    return scroll(f"Importance for {name}", table(header, rows, class_="imp"))


def _row(arm: ArmRecord, searched: ParameterRange, value: Scalar) -> Markup:
    importance = arm.importances.get(searched.name)
    most = max(arm.importances.values(), default=1.0) or 1.0
    name = join([tag("code", searched.name), tag("small", f" when {searched.when}") if searched.when else ""])
    return row(
        name,
        bar((importance or 0.0) / most),
        f"{importance:.2f}".removeprefix("0") if importance is not None else number(tag("small", "not measured")),
        number(numbers.setting(value) if value is not None else tag("small", "does not apply")),
        _in_range(searched, value),
    )


def _in_range(searched: ParameterRange, value: Scalar) -> Markup:
    if searched.low is None or searched.high is None:
        listed = ", ".join(_SPELLED.get(choice, choice) for choice in searched.choices)
        choices = tag("small", f"one of {listed}" if listed else numbers.DASH)
        return words(choices, class_="rng")
    where = reading.place(searched, value)
    low, high = (tag("small", numbers.setting(_typed(searched, end))) for end in (searched.low, searched.high))
    at = "" if where is None else f"--at:{100 * where.share:.0f}%"
    track = tag("i", class_="loss" if where is not None and where.edge else "", style=at)
    said = tag("b", "at the edge", class_="loss") if where is not None and where.edge else "log" if searched.log else ""
    return words(tag("div", low, track, high, tag("small", said)), class_="rng")


def _typed(searched: ParameterRange, end: float) -> Scalar:
    return int(end) if searched.kind == "int" else end
