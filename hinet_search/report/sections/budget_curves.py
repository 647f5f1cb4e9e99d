"""Budget curves: the best validation value of every arm against its training time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from hinet_search.report import html, numbers, record_facts
from hinet_search.report.figures import (
    Axis,
    TimeAxis,
    axis_near_the_best,
    grid,
    line,
    plot_box,
    spread_apart,
    svg,
    time_axis_over,
)
from hinet_search.report.sections import Card, NotApplicable
from hinet_search.results.records import ArmRecord, TrialRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

ORDER = 50
MOST_LINES = 16
LABEL = 6.4  # height of a name, per cent of the picture
SHARES = (0.25, 0.5, 1.0)  # of the training time that every arm had

Changes = tuple[tuple[float, float], ...]  # (seconds of training, best validation value so far)


@dataclass(frozen=True)
class ArmCurve:
    """One arm: its best value at each change, and the seconds of all its trials."""

    name: str
    is_focus: bool
    changes: Changes
    seconds: float

    @property
    def best(self) -> float:
        """The best value of all trials."""
        return self.changes[-1][1]

    def at(self, seconds: float) -> float | None:
        """Return the best value after a training time; None before the first value."""
        return next((value for when, value in reversed(self.changes) if when <= seconds), None)


def arm_curves(record: StudyRecord) -> list[ArmCurve]:
    """Return all arms with a value, best first."""
    focus = record_facts.focus_of(record)
    arms = []
    for arm in record.arms:
        changes, seconds = budget_curve(record, arm)
        if changes:
            arms.append(ArmCurve(title(arm.name), arm == focus, changes, seconds))
    return sorted(arms, key=lambda arm: arm.best, reverse=record.maximize)


def budget_curve(record: StudyRecord, arm: ArmRecord) -> tuple[Changes, float]:
    """Return every improvement, also within trials, and the seconds of all trials.

    Trials are placed one after another in the order in which they finished, as if one slot had
    run them. A failed trial costs its seconds and improves nothing; a running one is left out.
    """
    changes: list[tuple[float, float]] = []
    spent = 0.0
    ended = [trial for trial in arm.trials if trial.counts and trial.state != "running"]
    for trial in sorted(ended, key=lambda trial: (trial.finished, trial.number)):
        last = trial.evaluations[-1].seconds if trial.evaluations else 0.0
        seconds_of_trial = max(trial.cost.seconds, last) if trial.cost else last
        for seconds, value in _values_of(trial, seconds_of_trial):
            if not changes or record.sign * value > record.sign * changes[-1][1]:
                changes.append((spent + seconds, value))
        spent += seconds_of_trial
    return tuple(changes), spent


def _values_of(trial: TrialRecord, end: float) -> Iterator[tuple[float, float]]:
    """Yield (seconds since the start of the trial, value).

    A trial without stored evaluations has its value at its end.
    """
    if trial.state == "failed":
        return
    for evaluation in trial.evaluations:
        yield evaluation.seconds, evaluation.objective
    if not trial.evaluations and trial.value is not None:
        yield end, trial.value


def build(record: StudyRecord) -> Card:
    """Build a plot with a line per arm, and the values at equal times."""
    arms = arm_curves(record)
    if not arms:
        raise NotApplicable("needs an evaluated trial; no arm has one yet")
    lead = (
        f"Best {record_facts.objective_in_words(record)} on validation so far "
        "against the training time "
        "of an arm's trials, one seed each. Arms get equal numbers of trials, not equal time: a "
        "line is dotted after the end of its arm's training."
    )
    body = [_picture(record, arms), html.note(_in_words(arms)), _values(arms)]
    heading = "Best value against training time"
    return Card("budget-curves", "Search", heading, lead, html.join(body), folded=True)


def _in_words(arms: Sequence[ArmCurve]) -> str:
    shortest = min(arms, key=lambda arm: arm.seconds)
    sentences = [f"{shortest.name} trained least, {numbers.duration(common_time(arms))}."]
    sentences.append("A line starts where it enters the plot.")
    left_out = len(arms) - MOST_LINES
    if left_out > 0:
        sentences.append(f"{numbers.plural(left_out, 'more arm')}: in the table only.")
    return " ".join(sentences)


def _values(arms: Sequence[ArmCurve]) -> Markup:
    times = [share * common_time(arms) for share in SHARES]
    rows = []
    for arm in arms:
        values = [numbers.metric(arm.at(time)) for time in times]
        of_arm = html.cells([*values, numbers.metric(arm.best), numbers.duration(arm.seconds)])
        rows.append(html.row(arm.name, of_arm, class_="me" if arm.is_focus else ""))
    titles = []
    for share, time in zip(SHARES, times, strict=True):
        titles.append(f"{numbers.percent(share)}, {numbers.duration(time)}")
    header = html.head("Arm", html.columns(titles), "At its end", "Time in all")
    label = "Best validation value at equal training time"
    return html.details(label, html.table(label, header, rows))


def _picture(record: StudyRecord, arms: Sequence[ArmCurve]) -> Markup:
    drawn = arms[:MOST_LINES]
    changes: list[tuple[float, float]] = []
    for arm in drawn:
        changes += arm.changes
    bests = [arm.best for arm in drawn]
    y_axis = axis_near_the_best([value for _, value in changes], bests, maximize=record.maximize)
    seen = [when for when, value in changes if y_axis.low <= value <= y_axis.high]
    clock = time_axis_over(seen, max(arm.seconds for arm in arms))
    ends = [y_axis.place(best) for best in bests]
    shapes: list[Markup] = []
    to_names = []
    names = []
    for arm, end, place in zip(drawn, ends, spread_apart(ends, LABEL), strict=True):
        shapes = [*_lines(arm, clock, y_axis), *shapes]  # the best is drawn last
        to_names.append(html.tag("path", d=f"M0 {100 - end:.1f}L100 {100 - place:.1f}"))
        value = html.tag("small", numbers.metric(arm.best))
        class_ = "end me" if arm.is_focus else "end"
        style = f"bottom:{place:.1f}%"
        names.append(html.tag("span", arm.name, " ", value, class_=class_, style=style))
    content = [
        grid(y_axis),
        *clock.labels(),
        svg(html.join(shapes)),
        html.tag("div", svg(html.join(to_names)), class_="to-names"),
        *names,
        html.tag("span", clock.words, class_="xt"),
    ]
    spoken = []
    for arm in arms:
        time = numbers.duration(arm.seconds)
        spoken.append(f"{arm.name} {numbers.metric(arm.best)} in {time}")
    box = plot_box(content, f"Best value and training time, best first: {', '.join(spoken)}")
    return html.scroll("Budget curves", html.tag("div", box, class_="picture budget"))


def _lines(arm: ArmCurve, clock: TimeAxis, y_axis: Axis) -> list[Markup]:
    """Draw a staircase up to the end of the arm's training, and a dotted line from there on."""
    visible = []
    for when, value in arm.changes:
        if y_axis.low <= value <= y_axis.high:
            visible.append((clock.along(when), value))
    end = clock.along(arm.seconds)
    me = " me" if arm.is_focus else ""
    corners = record_facts.as_steps(visible, end)
    after = [(end, arm.best), (clock.axis.high, arm.best)]
    return [
        line(after, clock.axis, y_axis, f"after{me}"),
        line(corners, clock.axis, y_axis, f"mid{me}"),
    ]


def common_time(arms: Sequence[ArmCurve]) -> float:
    """Return the seconds that every arm has trained for."""
    return min(arm.seconds for arm in arms)
