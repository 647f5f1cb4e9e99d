"""Importance: how much each setting matters between trials, and where its best value lies."""

from collections.abc import Sequence

from markupsafe import Markup

from hinet_search.report import html, numbers, record_facts
from hinet_search.report.figures import bar
from hinet_search.report.sections import Card, NotApplicable
from hinet_search.results.records import ArmRecord, ParameterRange, Scalar
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

ORDER = 54
MOST = 6  # settings in the open table, besides those at the edge of their range
_SPELLED = {str(value): numbers.setting(value) for value in (True, False, None)}


def build(record: StudyRecord) -> Card:
    """Build the focus arm's settings, with its less important ones and the other arms folded."""
    arms = [
        arm
        for arm in record_facts.ordered_arms(record)
        if arm.ranges and record_facts.best_parameters(record, arm)
    ]
    if not arms:
        raise NotApplicable("needs a finished trial of an arm with searched parameters")
    first = arms[0]
    important, rest = _rows(record, first)
    folded = []
    if rest:
        name = f"{numbers.plural(len(rest), 'more setting')} of {title(first.name)}"
        folded.append(html.details(name, _table(name, rest)))
    for arm in arms[1:]:
        name = f"Settings of {title(arm.name)}"
        of_arm, rest = _rows(record, arm)
        folded.append(html.details(name, _table(name, [*of_arm, *rest])))
    legend = html.note(
        "Dot: the best value in its range, on the scale of the search. "
        "At the edge: a wider range may contain a better value. "
        f"Importance is computed from the {record.sampler} trials only "
        "and says nothing about values that were not tried."
    )
    body = [_table(title(first.name), important), legend]
    if folded:
        body.append(html.folds(folded))
    lead = (
        "Share of the variation between trials that goes with a setting, "
        "and the best value in its searched range."
    )
    return Card("importance", "Search", _heading(record, arms), lead, html.join(body), folded=True)


def _heading(record: StudyRecord, arms: Sequence[ArmRecord]) -> str:
    edges = sum(len(record_facts.at_the_edge(record, arm)) for arm in arms)
    lie = numbers.agree(edges, "lies", "lie")
    counted = f"over all arms {numbers.plural(edges, 'best value')} {lie} at the edge"
    name = title(arms[0].name)
    if not arms[0].importances:
        question = f"Which settings matter for {name}?"
        return f"{question} {record_facts.capitalized(counted)}" if edges else question
    setting, share = max(arms[0].importances.items(), key=lambda pair: pair[1])
    first = f"{setting} is the most important setting of {name}, {numbers.percent(share)}"
    return f"{first}; {counted}" if edges else first


def _rows(record: StudyRecord, arm: ArmRecord) -> tuple[list[Markup], list[Markup]]:
    """Return the rows for the open table and the folded ones, the most important setting first."""
    best = record_facts.best_parameters(record, arm)
    edges = [searched.name for searched, _, _ in record_facts.at_the_edge(record, arm)]
    by_importance = sorted(
        arm.ranges, key=lambda searched: -arm.importances.get(searched.name, 0.0)
    )
    important: list[Markup] = []
    rest: list[Markup] = []
    for index, searched in enumerate(by_importance):
        rows = important if index < MOST or searched.name in edges else rest
        rows.append(_row(arm, searched, best.get(searched.name)))
    return important, rest


def _table(name: str, rows: Sequence[Markup]) -> Markup:
    in_range = html.column("In its range", "rng")
    header = html.head(
        "Setting", html.column("Importance"), html.unnamed("share"), "Best", in_range
    )
    return html.table(f"Importance for {name}", header, rows, class_="imp")


def _row(arm: ArmRecord, searched: ParameterRange, value: Scalar) -> Markup:
    importance = arm.importances.get(searched.name)
    most = max(arm.importances.values(), default=1.0) or 1.0
    condition = html.tag("small", f" when {searched.when}") if searched.when else ""
    name = html.join([html.tag("code", searched.name), condition])
    share: html.Content = html.tag("small", "not measured")
    if importance is not None:
        share = numbers.share(importance)
    best: html.Content = html.tag("small", "does not apply")
    if value is not None:
        best = numbers.setting(value)
    drawn = bar((importance or 0.0) / most)
    return html.row(name, drawn, html.number(share), html.number(best), _in_range(searched, value))


def _in_range(searched: ParameterRange, value: Scalar) -> Markup:
    if searched.low is None or searched.high is None:
        listed = ", ".join(_SPELLED.get(choice, choice) for choice in searched.choices)
        choices = html.tag("small", f"one of {listed}" if listed else numbers.DASH)
        return html.words(choices, class_="rng")
    typed = int if searched.kind == "int" else float
    low = html.tag("small", numbers.setting(typed(searched.low)))
    high = html.tag("small", numbers.setting(typed(searched.high)))
    where = record_facts.range_position(searched, value)
    at = "" if where is None else f"--at:{100 * where.share:.0f}%"
    track = html.tag("i", style=at)
    remark: html.Content = "log" if searched.log else ""
    if where is not None and where.edge:
        track = html.tag("i", class_="loss", style=at)
        remark = html.tag("b", "at the edge", class_="loss")
    return html.words(html.tag("div", low, track, high, html.tag("small", remark)), class_="rng")
