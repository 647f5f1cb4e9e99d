"""Budget curves: the best validation value of every arm against the training seconds it has spent."""

from collections.abc import Sequence
from itertools import groupby

from markupsafe import Markup

from hinet_search.compare import in_words
from hinet_search.records import StudyRecord
from hinet_search.report import numbers, reading
from hinet_search.report.card import Card, NotApplicable
from hinet_search.report.clock import Clock, clock_over
from hinet_search.report.figures import Axis, axis_near_the_best, grid, line, spread_apart, svg
from hinet_search.report.markup import details, head, join, note, row, scroll, table, tag
from hinet_search.report.spending import SHARES, Lead, Spent, common_time, leaders, spent

ORDER = 50
MOST_LINES = 16
LABEL = 6.4  # height of a name, per cent of the picture


def build(record: StudyRecord) -> Card:
    """One picture with a line per arm, who was ahead when, and the values at equal training time."""
    arms = spent(record)
    if not arms:
        raise NotApplicable("needs an evaluated trial; no arm has one yet")
    leads = list(leaders(arms, maximize=record.maximize))
    lead = (
        f"Best {reading.objective_in_words(record)} on validation so far, against the time that an arm's trials have trained, "
        "one seed each. Arms get equal numbers of trials, not equal time: a line turns dotted where its arm's time ends."
    )
    body = [_picture(record, arms), note(_in_words(arms, leads)), _values(arms)]
    return Card("budget-curves", "Search", _heading(leads), lead, join(body))


def _heading(leads: Sequence[Lead]) -> str:
    if not leads:
        return "What was reached in which time?"
    first, last = leads[0], leads[-1]
    when = f"after {numbers.percent(first.share)} of the training time that all arms had"
    if first.name == last.name:
        return f"{last.name} is ahead {when}, and at its end"
    return f"{first.name} is ahead {when}, {last.name} at its end"


def _in_words(arms: Sequence[Spent], leads: Sequence[Lead]) -> str:
    shortest, common = min(arms, key=lambda arm: arm.seconds), common_time(arms)
    by_name = [(name, list(found)) for name, found in groupby(leads, lambda lead: lead.name)]
    said = [f"{name} at {in_words([numbers.percent(lead.share) for lead in found])}" for name, found in by_name]
    ahead = f"Ahead after a share of it: {', '.join(said)}." if said else "No arm had a value by then."
    left_out = len(arms) - MOST_LINES
    more = f" {numbers.plural(left_out, 'more arm')}: in the table only." if left_out > 0 else ""
    shown = "A line begins where it enters the picture."
    return f"{shortest.name} trained least, {numbers.duration(common)}. {ahead} {shown}{more}"


def _values(arms: Sequence[Spent]) -> Markup:
    common = common_time(arms)
    rows = [
        row(
            arm.name,
            *(numbers.metric(arm.at(share * common)) for share in SHARES),
            numbers.metric(arm.best),
            numbers.duration(arm.seconds),
            class_="me" if arm.is_focus else "",
        )
        for arm in arms
    ]
    shares = [f"{numbers.percent(share)}, {numbers.duration(share * common)}" for share in SHARES]
    header = head("Arm", *shares, "At its end", "Time in all")
    label = "Best validation value at equal training time"
    return details(label, scroll(label, table(header, rows)))


def _picture(record: StudyRecord, arms: Sequence[Spent]) -> Markup:
    drawn = arms[:MOST_LINES]
    changes = [change for arm in drawn for change in arm.changes]
    bests = [arm.best for arm in drawn]
    y_axis = axis_near_the_best([value for _, value in changes], bests, maximize=record.maximize)
    seen = [when for when, value in changes if y_axis.low <= value <= y_axis.high]
    clock = clock_over(seen, max(arm.seconds for arm in arms))
    ends = [y_axis.place(arm.best) for arm in drawn]
    places = spread_apart(ends, LABEL)
    shapes = [shape for arm in reversed(drawn) for shape in _lines(arm, clock, y_axis)]
    to_names = [
        tag("path", d=f"M0 {100 - end:.1f}L100 {100 - place:.1f}") for end, place in zip(ends, places, strict=True)
    ]
    content = [
        grid(y_axis),
        *clock.labels(),
        svg(*shapes),
        tag("div", svg(*to_names), class_="to-names"),
        *(_name(arm, place) for arm, place in zip(drawn, places, strict=True)),
        tag("span", clock.words, class_="xt"),
    ]
    spoken = ", ".join(f"{arm.name} {numbers.metric(arm.best)} in {numbers.duration(arm.seconds)}" for arm in arms)
    label = f"Best value and training time, best first: {spoken}"
    box = tag("div", *content, class_="plot-box", role="img", aria_label=label)
    return scroll("Budget curves", tag("div", box, class_="picture budget"))


def _lines(arm: Spent, clock: Clock, y_axis: Axis) -> list[Markup]:
    """A staircase from where it enters the picture up to the arm's end, and a dotted line from there on."""
    shown = [(clock.along(when), value) for when, value in arm.changes if y_axis.low <= value <= y_axis.high]
    end, me = clock.along(arm.seconds), " me" if arm.is_focus else ""
    corners = reading.as_steps(shown, end)
    after = [(end, arm.best), (clock.axis.high, arm.best)]
    return [line(after, clock.axis, y_axis, f"after{me}"), line(corners, clock.axis, y_axis, f"mid{me}")]


def _name(arm: Spent, place: float) -> Markup:
    value = tag("small", numbers.metric(arm.best))
    return tag("span", arm.name, " ", value, class_=f"end{' me' if arm.is_focus else ''}", style=f"bottom:{place:.1f}%")
