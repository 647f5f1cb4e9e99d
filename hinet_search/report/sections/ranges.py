"""Ranges: where the best value of each setting lies in its searched range."""

from collections.abc import Sequence

from markupsafe import Markup

from hinet_search.report import html, numbers, record_facts
from hinet_search.report.sections import Card, NotApplicable
from hinet_search.results.records import ArmRecord, ParameterRange, Scalar
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

ORDER = 54
_SPELLED = {str(value): numbers.setting(value) for value in (True, False, None)}


def build(record: StudyRecord) -> Card:
    """Build the settings of the focus arm, with the settings of the other arms folded."""
    arms = [
        arm
        for arm in record_facts.ordered_arms(record)
        if arm.ranges and record_facts.best_parameters(record, arm)
    ]
    if not arms:
        raise NotApplicable("needs a finished trial of an arm with searched parameters")
    first, *others = arms
    body = [
        _table(record, first, title(first.name)),
        html.note("Dot: the best value in its range, on the scale of the search."),
    ]
    folded = []
    for arm in others:
        name = f"Settings of {title(arm.name)}"
        folded.append(html.details(name, _table(record, arm, name)))
    if folded:
        body.append(html.folds(folded))
    lead = (
        "The best value of every setting in its searched range. At the edge: it lies at an "
        "end, and the trials are shown to improve towards that end."
    )
    return Card("ranges", "Search", _heading(record, arms), lead, html.join(body), folded=True)


def _heading(record: StudyRecord, arms: Sequence[ArmRecord]) -> str:
    edges = sum(len(record_facts.at_the_edge(record, arm)) for arm in arms)
    if not edges:
        return f"Best values of {title(arms[0].name)} in their ranges"
    lie = numbers.agree(edges, "lies", "lie")
    return f"Over all arms {numbers.plural(edges, 'best value')} {lie} at the edge of a range"


def _table(record: StudyRecord, arm: ArmRecord, name: str) -> Markup:
    best = record_facts.best_parameters(record, arm)
    edges = {searched.name for searched, _, _ in record_facts.at_the_edge(record, arm)}
    rows = []
    for searched in arm.ranges:
        value = best.get(searched.name)
        condition = html.tag("small", f" when {searched.when}") if searched.when else ""
        setting = html.join([html.tag("code", searched.name), condition])
        best_value: html.Content = html.tag("small", "does not apply")
        if value is not None:
            best_value = numbers.setting(value)
        place = _in_range(searched, value, is_edge=searched.name in edges)
        rows.append(html.row(setting, html.number(best_value), place))
    header = html.head("Setting", "Best", html.column("In its range", "rng"))
    return html.table(f"Best values of {name}", header, rows, class_="ranges")


def _in_range(searched: ParameterRange, value: Scalar, *, is_edge: bool) -> Markup:
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
    if is_edge:
        track = html.tag("i", class_="loss", style=at)
        remark = html.tag("b", "at the edge", class_="loss")
    return html.words(html.tag("div", low, track, high, html.tag("small", remark)), class_="rng")
