"""Importance: with which settings the trials vary, and where the best value lies in its range."""

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

ORDER = 53
MOST = 10
_SPELLED = {str(value): numbers.setting(value) for value in (True, False, None)}  # as the best value is written


def build(record: StudyRecord) -> Card:
    """The focus arm in full, the others behind a click."""
    arms = [arm for arm in reading.ordered_arms(record) if arm.ranges and reading.best_parameters(record, arm)]
    if not arms:
        raise NotApplicable("needs a finished trial of an arm with searched parameters")
    first, *others = arms
    body = [_table(record, first), _legend(record)]
    body += [details(title(arm.name), _table(record, arm)) for arm in others]
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
        "Dot: where the best value lies between the ends of the range, on the scale of the search. ",
        "“At the edge” means that a wider range may hold a better value. Importance is of the ",
        f"{record.sampler} trials only and says nothing about values that were not tried.",
    )


def _table(record: StudyRecord, arm: ArmRecord) -> Markup:
    best = reading.best_parameters(record, arm)
    order = sorted(arm.ranges, key=lambda searched: -arm.importances.get(searched.name, 0.0))
    header = head(
        "Setting",
        column("Importance"),
        unnamed("share"),
        "Best",
        column("In its range", "rng"),
    )
    rows = [_row(arm, searched, best.get(searched.name)) for searched in order]
    shown, hidden = rows[:MOST], rows[MOST:]
    found = scroll(f"Importance for {title(arm.name)}", table(header, shown))
    rest = (
        details(f"{numbers.plural(len(hidden), 'more setting')}", scroll("More settings", table(header, hidden)))
        if hidden
        else ""
    )
    return tag("div", found, rest, class_="imp")


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
    written = [numbers.setting(_typed(searched, end)) for end in (searched.low, searched.high)]
    edge = tag("b", "at the edge", class_="loss") if where is not None and where.edge else "log" if searched.log else ""
    ends = tag("small", tag("span", written[0]), edge, tag("span", written[1]))
    if where is None:
        return words(tag("div"), ends, class_="rng")
    line = tag("div", class_="loss" if where.edge else "", style=f"--at:{100 * where.share:.0f}%")
    return words(line, ends, class_="rng")


def _typed(searched: ParameterRange, end: float) -> Scalar:
    return int(end) if searched.kind == "int" else end
