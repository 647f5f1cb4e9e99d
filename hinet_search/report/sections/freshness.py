"""Freshness: how fresh inputs are in the figures, and what the same models have with older ones.

The weights and the rows of test are the same, only inputs made of labels and of the log differ. So
this is what a model has that is served with older inputs than the study assumes.
"""

from dataclasses import dataclass

from markupsafe import Markup

from hinet_search.report.card import Card, NotApplicable
from hinet_search.report.drawing import numbers
from hinet_search.report.drawing.html import column, head, join, note, row, scroll, table, tag
from hinet_search.report.facts import record as record_facts
from hinet_search.results.data_record import FROZEN, LATER
from hinet_search.results.staleness import StaleCost, stale_costs
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

ORDER = 48
OF_FROZEN = "Frozen: statistics and the log end with validation. "
NOTE = (
    "The same weights and the same rows of test, with older inputs. A model that was trained with "
    "them may lose less. {frozen}Means over seeds; the intervals are over seeds and users, 95 % "
    "for each arm."
)


@dataclass(frozen=True)
class StaleColumn:
    """An access in words, and what it costs every arm that has it."""

    words: str
    short: str
    costs: dict[str, StaleCost]


def build(record: StudyRecord) -> Card:
    """Build a row for every arm that was opened on test."""
    columns = [column for column in _columns(record) if column.costs]
    if not columns:
        raise NotApplicable(
            "needs statistics with `refresh`, events or sessions in the data definition"
        )
    fresh = {name: cost.fresh for column in columns for name, cost in column.costs.items()}
    names = sorted(fresh, key=lambda name: fresh[name], reverse=record.maximize)
    first = names[0]
    others = [
        f"{numbers.metric(column.costs[first].stale)} {column.words}"
        for column in columns
        if first in column.costs
    ]
    lead = (
        f"In every figure of this report, {record.data.freshness}. On test, {title(first)} has "
        f"{numbers.metric(fresh[first])}; the same weights have {' and '.join(others)}."
    )
    is_frozen = any(column.short == "Frozen" for column in columns)
    foot = note(NOTE.format(frozen=OF_FROZEN if is_frozen else ""))
    body = join([_table(record, names, columns), foot])
    return Card("freshness", "Search", "How fresh the inputs must be", lead, body)


def _columns(record: StudyRecord) -> list[StaleColumn]:
    later = record.data.later_labels
    return [
        StaleColumn(
            f"with labels known {later} after their row",
            f"Labels after {later}",
            _by_arm(record, LATER),
        ),
        StaleColumn("with inputs of the end of validation", "Frozen", _by_arm(record, FROZEN)),
    ]


def _by_arm(record: StudyRecord, access: str) -> dict[str, StaleCost]:
    return {cost.arm: cost for cost in stale_costs(record, access)}


def _table(record: StudyRecord, names: list[str], columns: list[StaleColumn]) -> Markup:
    measure = record_facts.headline_in_words(record)
    fresh = column(join(["As assumed", tag("br"), tag("small", f"test {measure}")]), "r")
    headings = [heading for each in columns for heading in (each.short, "Lost")]
    header = head("Arm", fresh, *headings, numeric_from=1)
    body = []
    for name in names:
        costs = [each.costs.get(name) for each in columns]
        known = next(cost for cost in costs if cost is not None)
        values = [cell for cost in costs for cell in _cells(cost)]
        body.append(row(title(name), numbers.metric(known.fresh), *values))
    return scroll("Arms with fresh and with older inputs", table(header, body, class_="cost"))


def _cells(cost: StaleCost | None) -> tuple[str, str | Markup]:
    """The mean with stale inputs, and what is lost with its interval."""
    if cost is None:
        return numbers.metric(None), ""
    lost = cost.lost
    interval = "" if lost.low is None else f" ({numbers.interval(lost.low, lost.high)})"
    return numbers.metric(cost.stale), f"{numbers.gain(lost.mean)}{interval}"
