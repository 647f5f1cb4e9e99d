"""Budget curves: the best validation value of every arm against its training time, and who led."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from hinet_search.report.card import Card, NotApplicable
from hinet_search.report.drawing import numbers
from hinet_search.report.drawing.figures import (
    Axis,
    TimeAxis,
    axis_near_the_best,
    grid,
    line,
    spread_apart,
    svg,
    time_axis_over,
)
from hinet_search.report.drawing.html import details, head, join, note, row, scroll, table, tag
from hinet_search.report.facts import record as record_facts
from hinet_search.report.facts.budget_curves import ArmCurve, arm_curves
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import in_words

ORDER = 50
MOST_LINES = 16
LABEL = 6.4  # height of a name, per cent of the picture
SHARES = (0.25, 0.5, 1.0)  # of the training time that every arm had


@dataclass(frozen=True)
class Leader:
    """The arm in the lead after a share of the common training time, and its value."""

    share: float
    name: str
    value: float


def build(record: StudyRecord) -> Card:
    """Build a plot with a line per arm, the leading arms, and the values at equal times."""
    arms = arm_curves(record)
    if not arms:
        raise NotApplicable("needs an evaluated trial; no arm has one yet")
    leads = list(leaders(arms, maximize=record.maximize))
    lead = (
        f"Best {record_facts.objective_in_words(record)} on validation so far "
        "against the training time "
        "of an arm's trials, one seed each. Arms get equal numbers of trials, not equal time: a "
        "line is dotted after the end of its arm's training."
    )
    body = [_picture(record, arms), note(_in_words(arms, leads)), _values(arms)]
    return Card("budget-curves", "Search", _heading(leads), lead, join(body))


def _heading(leads: Sequence[Leader]) -> str:
    if not leads:
        return "Best value against training time"
    first = leads[0]
    last = leads[-1]
    when = f"after {numbers.percent(first.share)} of the training time that all arms had"
    if first.name == last.name:
        return f"{last.name} leads {when}, and at its end"
    return f"{first.name} leads {when}, {last.name} at its end"


def _in_words(arms: Sequence[ArmCurve], leads: Sequence[Leader]) -> str:
    shortest = min(arms, key=lambda arm: arm.seconds)
    sentences = [f"{shortest.name} trained least, {numbers.duration(common_time(arms))}."]
    in_the_lead = []
    for name, group in groupby(leads, lambda lead: lead.name):
        shares = [numbers.percent(lead.share) for lead in group]
        in_the_lead.append(f"{name} at {in_words(shares)}")
    if in_the_lead:
        sentences.append(f"In the lead after a share of this time: {', '.join(in_the_lead)}.")
    else:
        sentences.append("No arm had a value by then.")
    sentences.append("A line starts where it enters the plot.")
    left_out = len(arms) - MOST_LINES
    if left_out > 0:
        sentences.append(f"{numbers.plural(left_out, 'more arm')}: in the table only.")
    return " ".join(sentences)


def _values(arms: Sequence[ArmCurve]) -> Markup:
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


def _picture(record: StudyRecord, arms: Sequence[ArmCurve]) -> Markup:
    drawn = arms[:MOST_LINES]
    changes = [change for arm in drawn for change in arm.changes]
    bests = [arm.best for arm in drawn]
    y_axis = axis_near_the_best([value for _, value in changes], bests, maximize=record.maximize)
    seen = [when for when, value in changes if y_axis.low <= value <= y_axis.high]
    clock = time_axis_over(seen, max(arm.seconds for arm in arms))
    ends = [y_axis.place(arm.best) for arm in drawn]
    places = spread_apart(ends, LABEL)
    shapes = [shape for arm in reversed(drawn) for shape in _lines(arm, clock, y_axis)]
    to_names = []
    names = []
    for arm, end, place in zip(drawn, ends, places, strict=True):
        to_names.append(tag("path", d=f"M0 {100 - end:.1f}L100 {100 - place:.1f}"))
        names.append(_name(arm, place))
    content = [
        grid(y_axis),
        *clock.labels(),
        svg(*shapes),
        tag("div", svg(*to_names), class_="to-names"),
        *names,
        tag("span", clock.words, class_="xt"),
    ]
    spoken = ", ".join(
        f"{arm.name} {numbers.metric(arm.best)} in {numbers.duration(arm.seconds)}" for arm in arms
    )
    label = f"Best value and training time, best first: {spoken}"
    box = tag("div", *content, class_="plot-box", role="img", aria_label=label)
    return scroll("Budget curves", tag("div", box, class_="picture budget"))


def _lines(arm: ArmCurve, clock: TimeAxis, y_axis: Axis) -> list[Markup]:
    """Draw a staircase up to the end of the arm's training, and a dotted line from there on."""
    visible = [
        (clock.along(when), value)
        for when, value in arm.changes
        if y_axis.low <= value <= y_axis.high
    ]
    end = clock.along(arm.seconds)
    me = " me" if arm.is_focus else ""
    corners = record_facts.as_steps(visible, end)
    after = [(end, arm.best), (clock.axis.high, arm.best)]
    return [
        line(after, clock.axis, y_axis, f"after{me}"),
        line(corners, clock.axis, y_axis, f"mid{me}"),
    ]


def _name(arm: ArmCurve, place: float) -> Markup:
    value = tag("small", numbers.metric(arm.best))
    class_ = "end me" if arm.is_focus else "end"
    return tag("span", arm.name, " ", value, class_=class_, style=f"bottom:{place:.1f}%")


def common_time(arms: Sequence[ArmCurve]) -> float:
    """Return the seconds that every arm has trained for."""
    return min(arm.seconds for arm in arms)


def leaders(arms: Sequence[ArmCurve], *, maximize: bool) -> Iterator[Leader]:
    """Yield the best arm after each share of the common time, unless no arm had a value by then."""
    pick = max if maximize else min
    for share in SHARES:
        values = [(arm.at(share * common_time(arms)), arm.name) for arm in arms]
        known = [(value, name) for value, name in values if value is not None]
        if known:
            value, name = pick(known, key=lambda pair: pair[0])
            yield Leader(share, name, value)
