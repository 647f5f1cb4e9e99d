"""History: the best value so far of every arm on one axis, and how its trials ended."""

from collections.abc import Sequence

from markupsafe import Markup

from hinet_search.compare import title
from hinet_search.records import ArmRecord, StudyRecord
from hinet_search.report import numbers, reading
from hinet_search.report.card import Card, NotApplicable
from hinet_search.report.figures import Axis, axis_near_the_best, line, svg
from hinet_search.report.markup import column, head, join, note, number, row, scroll, table, tag, words

ORDER = 52
MOST_POINTS = 60
LATE = 0.9  # a best value found in the last tenth of the trials suggests that more trials may find a better one


def build(record: StudyRecord) -> Card:
    """One sparkline per arm."""
    arms = reading.ordered_arms(record)
    steps = {arm.name: found for arm in arms if (found := reading.best_so_far(record, arm)) is not None}
    if not steps:
        raise NotApplicable("needs a finished trial; no arm has one yet")
    changes = [value for found in steps.values() for _, value in found.changes]
    y_axis = axis_near_the_best(changes, [found.best for found in steps.values()], maximize=record.maximize)
    x_axis = Axis(0.0, 1.0 + max(found.last_trial for found in steps.values()))
    focus = reading.focus_of(record)
    rows = [_row(arm, steps.get(arm.name), x_axis, y_axis, is_focus=arm == focus) for arm in arms]
    header = head("Arm", column("Best so far"), "Best", "Found at", "Complete", "Pruned", "Failed")
    lead = (
        f"Best {reading.objective_in_words(record)} on validation over {numbers.plural(record.budget.trials, 'trial')} at most, one seed each. All "
        f"curves share one axis, {numbers.metric(y_axis.low)} to {numbers.metric(y_axis.high)}."
    )
    body = [
        scroll("Search history", table(header, rows, class_="search")),
        note(
            "Steps only where the best value changed; what lies outside the axis is cut off. Trials that spend no budget are not counted."
        ),
    ]
    return Card("history", "Search", _heading(arms, steps), lead, join(body), half=True)


def _heading(arms: Sequence[ArmRecord], steps: dict[str, reading.Steps]) -> str:
    late = [title(arm.name) for arm in arms if arm.name in steps and _late(steps[arm.name])]
    if not late:
        return "No arm found its best value in the last tenth of its trials"
    if len(late) == 1:
        return f"{late[0]} found its best value late: more trials may find a better one"
    return (
        f"{numbers.spelled(len(late)).capitalize()} arms found their best value late: more trials may find better ones"
    )


def _late(found: reading.Steps) -> bool:
    return found.last_trial > 0 and found.found_at >= LATE * found.last_trial


def _row(arm: ArmRecord, steps: reading.Steps | None, x_axis: Axis, y_axis: Axis, *, is_focus: bool) -> Markup:
    counts = reading.states(arm)
    counted = [numbers.compact(counts[state]) for state in ("complete", "pruned", "failed")]
    class_ = "me" if is_focus else ""
    if steps is None:
        return row(
            title(arm.name),
            words(tag("small", "no finished trial")),
            numbers.DASH,
            numbers.DASH,
            *counted,
            class_=class_,
        )
    corners = reading.as_steps([(float(x), y) for x, y in steps.changes[-MOST_POINTS:]], 1.0 + steps.last_trial)
    spoken = (
        f"{title(arm.name)}: best {numbers.metric(steps.best)} found at trial {steps.found_at} of {steps.last_trial}"
    )
    drawing = tag("div", svg(line(corners, x_axis, y_axis, class_)), role="img", aria_label=spoken)
    drawn = tag("td", drawing, class_="sp")
    return row(title(arm.name), drawn, number(numbers.metric(steps.best)), str(steps.found_at), *counted, class_=class_)
