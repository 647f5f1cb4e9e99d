"""Fresh labels: whether the figures need labels sooner than production may have them."""

from hinet_search.report.drawing import numbers
from hinet_search.report.facts import record as record_facts
from hinet_search.report.finding import Finding, passed, warning
from hinet_search.results.contrasts import SMALL_EFFECT
from hinet_search.results.data_record import LATER
from hinet_search.results.staleness import stale_costs
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

ORDER = 27


def check(record: StudyRecord) -> Finding | None:
    """Warn if it is shown that the focus loses by labels that are known an hour or a day later."""
    costs = stale_costs(record, LATER)
    focus = record_facts.focus_of(record)
    of_focus = next((cost for cost in costs if focus and cost.arm == focus.name), None)
    if of_focus is None:
        return None
    lost = of_focus.lost
    words = f"labels known {record.data.later_labels} after their row"
    name = title(of_focus.arm)
    if lost.lacks:
        return passed(f"What {name} loses with {words} is an observation: {lost.lacks}.")
    if lost.low is None or lost.low <= SMALL_EFFECT:
        least = numbers.metric(SMALL_EFFECT)
        return passed(f"No loss of more than {least} is shown of {name} with {words}.")
    others = []
    for cost in costs:
        if cost is not of_focus:
            interval = ""
            if cost.lost.low is not None:
                interval = f" ({numbers.interval(cost.lost.low, cost.lost.high)})"
            others.append(f"{title(cost.arm)}: {numbers.gain(cost.lost.mean)}{interval}.")
    return warning(
        f"The figures need fresh labels: with {words}, {name} loses "
        f"{numbers.metric(lost.mean)} on test ({numbers.interval(lost.low, lost.high)}).",
        others,
        remedy="Bring labels sooner, or write "
        f"`labels_after: {record.data.later_labels}` and launch again: a model that was trained "
        "with later labels may lose less.",
    )
