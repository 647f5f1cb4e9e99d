"""Freshness: how fresh inputs are in the figures, and what the same models have with older ones.

The weights and the rows of test are the same, only inputs made of labels and of the log differ. So
this is what a model has that is served with older inputs than the study assumes.
"""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from hinet_search.report.card import Card, NotApplicable
from hinet_search.report.drawing import html, numbers
from hinet_search.report.facts import record as record_facts
from hinet_search.results.data_record import FROZEN, LATER
from hinet_search.results.staleness import StaleCost, stale_costs
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

ORDER = 48

Costs = Mapping[str, Mapping[str, StaleCost]]  # by access and arm


def build(record: StudyRecord) -> Card:
    """Build a row for every arm that was opened on test."""
    in_words = {
        LATER: f"with labels known {record.data.later_labels} after their row",
        FROZEN: "with inputs of the end of validation",
    }
    costs = {}
    fresh: dict[str, float] = {}
    for access in in_words:
        of_arms = {cost.arm: cost for cost in stale_costs(record, access)}
        if of_arms:
            costs[access] = of_arms
            fresh |= {name: cost.fresh for name, cost in of_arms.items()}
    if not costs:
        raise NotApplicable(
            "needs statistics with `refresh`, events or sessions in the data definition"
        )
    names = sorted(fresh, key=lambda name: fresh[name], reverse=record.maximize)
    first = names[0]
    others = [
        f"{numbers.metric(of_arms[first].stale)} {in_words[access]}"
        for access, of_arms in costs.items()
        if first in of_arms
    ]
    lead = (
        f"In every figure of this report, {record.data.freshness}. On test, {title(first)} has "
        f"{numbers.metric(fresh[first])}; the same weights have {' and '.join(others)}."
    )
    frozen = "Frozen: statistics and the log end with validation. " if FROZEN in costs else ""
    foot = html.note(
        "The same weights and the same rows of test, with older inputs. A model that was trained "
        f"with them may lose less. {frozen}Means over seeds; the intervals are over seeds and "
        "users, 95 % for each arm."
    )
    body = html.join([_table(record, names, fresh, costs), foot])
    return Card("freshness", "Search", "How fresh the inputs must be", lead, body, folded=True)


def _table(
    record: StudyRecord, names: Sequence[str], fresh: Mapping[str, float], costs: Costs
) -> Markup:
    rows = []
    for name in names:
        values: list[html.Content] = [numbers.metric(fresh[name])]
        for of_arms in costs.values():
            if name in of_arms:
                lost = of_arms[name].lost
                interval = ""
                if lost.low is not None:
                    interval = f" ({numbers.interval(lost.low, lost.high)})"
                stale = numbers.metric(of_arms[name].stale)
                values += [stale, f"{numbers.gain(lost.mean)}{interval}"]
            else:
                values += [numbers.DASH, ""]
        rows.append(html.row(title(name), html.cells(values)))
    measure = record_facts.headline_in_words(record)
    assumed = html.column(
        html.join(["As assumed", html.tag("br"), html.tag("small", f"test {measure}")]), "r"
    )
    titles = {LATER: f"Labels after {record.data.later_labels}", FROZEN: "Frozen"}
    headings = []
    for access in costs:
        headings += [titles[access], "Lost"]
    header = html.head("Arm", assumed, html.columns(headings))
    label = "Arms with fresh and with older inputs"
    return html.scroll(label, html.table(header, rows, class_="cost"))
