"""History: the best value so far of every arm on a shared axis, and how its trials ended."""

from collections.abc import Mapping

from markupsafe import Markup

from hinet_search.report import html, numbers, record_facts
from hinet_search.report.figures import Axis, axis_near_the_best, line, svg
from hinet_search.report.record_facts import BestSoFar
from hinet_search.report.sections import Card, NotApplicable
from hinet_search.results.records import ArmRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

ORDER = 52
MOST_POINTS = 60
LATE = 0.9  # a best value in the last tenth of the trials suggests that more trials may help


def build(record: StudyRecord) -> Card:
    """Build one sparkline per arm."""
    arms = record_facts.ordered_arms(record)
    steps: dict[str, BestSoFar] = {}
    changes = []
    for arm in arms:
        of_arm = record_facts.best_so_far(record, arm)
        if of_arm is not None:
            steps[arm.name] = of_arm
            changes += [value for _, value in of_arm.changes]
    if not steps:
        raise NotApplicable("needs a finished trial; no arm has one yet")
    bests = [of_arm.best for of_arm in steps.values()]
    y_axis = axis_near_the_best(changes, bests, maximize=record.maximize)
    x_axis = Axis(0.0, 1.0 + max(of_arm.last_trial for of_arm in steps.values()))
    focus = record_facts.focus_of(record)
    rows = []
    for arm in arms:
        class_ = "me" if arm == focus else ""
        rows.append(_row(arm, steps.get(arm.name), x_axis, y_axis, class_))
    header = html.head(
        "Arm", html.column("Best so far"), "Best", "Found at", "Complete", "Pruned", "Failed"
    )
    trials = numbers.plural(record.budget.trials, "trial")
    lead = (
        f"Best {record_facts.objective_in_words(record)} on validation "
        f"over {trials} at most, one seed "
        "each. All curves share one axis, "
        f"{numbers.metric(y_axis.low)} to {numbers.metric(y_axis.high)}."
    )
    explained = html.note(
        "A step marks a new best value; values outside the axis are cut off. "
        "Trials that spend no budget are not counted."
    )
    body = [html.table("Search history", header, rows, class_="search"), explained]
    return Card("history", "Search", _heading(steps), lead, html.join(body), folded=True)


def _heading(steps: Mapping[str, BestSoFar]) -> str:
    late = []
    for name, of_arm in steps.items():
        if of_arm.last_trial > 0 and of_arm.best_trial >= LATE * of_arm.last_trial:
            late.append(title(name))
    if not late:
        return "No arm found its best value in the last tenth of its trials"
    if len(late) == 1:
        return f"{late[0]} found its best value late: more trials may find a better one"
    count = numbers.spelled(len(late)).capitalize()
    return f"{count} arms found their best value late: more trials may find better ones"


def _row(
    arm: ArmRecord, steps: BestSoFar | None, x_axis: Axis, y_axis: Axis, class_: str
) -> Markup:
    drawn = html.words(html.tag("small", "no finished trial"))
    best = numbers.DASH
    found_at = numbers.DASH
    if steps is not None:
        points = [(float(x), y) for x, y in steps.changes[-MOST_POINTS:]]
        corners = record_facts.as_steps(points, 1.0 + steps.last_trial)
        best = numbers.metric(steps.best)
        found_at = str(steps.best_trial)
        spoken = f"{title(arm.name)}: best {best} found at trial {found_at} of {steps.last_trial}"
        picture = svg(line(corners, x_axis, y_axis, class_))
        drawn = html.tag("td", html.tag("div", picture, role="img", aria_label=spoken), class_="sp")
    counts = record_facts.states(arm)
    counted = [numbers.compact(counts[state]) for state in ("complete", "pruned", "failed")]
    return html.row(
        title(arm.name), drawn, html.number(best), found_at, html.cells(counted), class_=class_
    )
