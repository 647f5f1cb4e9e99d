"""Trade-off: the finalists of a study with several objectives, and which of them nothing beats."""

from collections.abc import Iterator, Sequence
from math import isfinite, log10
from statistics import fmean

from markupsafe import Markup

from hinet_search.report import html, numbers, record_facts
from hinet_search.report.commands import export_command
from hinet_search.report.figures import Axis, x_label
from hinet_search.report.scatter import ScatterPoint, axes_over, in_order, plot, size_labels
from hinet_search.report.sections import Card, NotApplicable
from hinet_search.results.finalist_values import headline_by_seed
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.trade_offs import (
    COSTS,
    LATENCY,
    Contender,
    Objectives,
    finalists_of,
    is_on_front,
    objectives_of,
    trials_of,
)
from hinet_search.results.verdict import in_words, title

ORDER = 14
LEGEND = (
    "Filled: no finalist is as good in one and better in the other. Ring: another one is. "
    "Small: trials on the Pareto front of their arm, with one seed."
)


def build(record: StudyRecord) -> Card:
    """Build a picture for every further objective, and the table of the front."""
    if not record.other_objectives:
        raise NotApplicable("needs several objectives; `objectives:` in the study file lists them")
    objectives = objectives_of(record)
    finalists = finalists_of(record, objectives)
    trials = _fronts_of_trials(record, objectives)
    if not finalists and not trials:
        raise NotApplicable("needs a complete trial, which the launch command trains")
    places = range(1, len(objectives.directions))
    pictures = [_picture(record, objectives, place, finalists, trials) for place in places]
    on_front = [contender for contender in finalists if contender.is_on_front]
    heading, lead = _in_words(record, finalists, on_front)
    body = [*pictures, *_tables(record, finalists, on_front)]
    return Card("trade-off", "Verdict", heading, lead, html.join(body))


def _tables(
    record: StudyRecord, finalists: Sequence[Contender], on_front: Sequence[Contender]
) -> Iterator[Markup]:
    """Yield the tables of the front and of the others, and the command that exports a member."""
    if on_front:
        yield _table(record, on_front)
    beaten = [contender for contender in finalists if not contender.is_on_front]
    if beaten:
        summary = f"{numbers.plural(len(beaten), 'finalist')} that another one beats"
        yield html.details(summary, _table(record, beaten))
    if on_front and record.state == "done":
        yield _command(record, on_front[-1])


def _in_words(
    record: StudyRecord, finalists: Sequence[Contender], on_front: Sequence[Contender]
) -> tuple[str, str]:
    """Return heading and lead."""
    names = [record.objective, *record.other_objectives]
    of_all = in_words([record_facts.metric_in_words(name) for name in names])
    if not finalists:
        lead = "Complete trials on validation, with one seed; finalists come later."
        return f"The trade-off of {of_all} so far", lead
    stand = numbers.agree(len(on_front), "stands", "stand")
    count = f"{len(on_front)} of {numbers.plural(len(finalists), 'finalist')}"
    arms = dict.fromkeys(title(contender.arm.name) for contender in on_front)
    lead = (
        f"Nothing beats these finalists, of {in_words(list(arms))}: whatever is better in one "
        "objective is worse in another. Values are of validation, means over seeds. "
        "Differences within the spread between seeds decide who stands on the Pareto front too."
    )
    return f"{count} {stand} on the Pareto front of {of_all}", lead


def _fronts_of_trials(record: StudyRecord, objectives: Objectives) -> list[Contender]:
    """Return the trials on the front of their arm."""
    by_arm: dict[str, list[Contender]] = {}
    for contender in trials_of(record, objectives):
        by_arm.setdefault(contender.arm.name, []).append(contender)
    kept = []
    for of_arm in by_arm.values():
        points = [objectives.signed(contender.values) for contender in of_arm]
        kept += [each for each, mark in zip(of_arm, is_on_front(points), strict=True) if mark]
    return kept


def _picture(
    record: StudyRecord,
    objectives: Objectives,
    place: int,
    finalists: Sequence[Contender],
    trials: Sequence[Contender],
) -> Markup:
    """Plot the first objective against another one; empty with fewer than two to draw."""
    name = objectives.others[place - 1]
    maximize = objectives.directions[place]
    # Trials far below the finalists, by more than their range, would flatten these.
    signed = [objectives.signed(each.values)[0] for each in finalists]
    if signed:
        lowest = 2 * min(signed) - max(signed)
        trials = [each for each in trials if objectives.signed(each.values)[0] >= lowest]
    points = _points(finalists, place, name, maximize=maximize)
    small = _points(trials, place, name, maximize=maximize)
    if len(points) + len(small) < 2:
        return Markup("")
    axes = axes_over([*points, *small])
    beneath = size_labels(axes.x) if name in COSTS else list(_labels(axes.x, maximize=maximize))
    for point in small:
        mark = html.tag("i", class_="dot small ring", style=axes.style(point), title=point.name)
        beneath.append(mark)
    of_other = record_facts.metric_in_words(name)
    of_first = record_facts.objective_in_words(record)
    scale = "log scale, " if name in COSTS else ""
    named = in_order(point for point in points if point.label)
    spoken = f"{of_first} against {of_other}, from better to worse of the latter: {named}"
    drawn = plot(
        points,
        axes,
        beneath,
        (f"{of_other}, {scale}better to the left", spoken),
        lambda left, right: record.sign * (left.value - right.value) > 0,
    )
    heading = f"{record_facts.capitalized(of_first)} and {of_other} on validation"
    return html.join([html.tag("h3", heading), drawn, html.note(LEGEND)])


def _points(
    contenders: Sequence[Contender], place: int, name: str, *, maximize: bool
) -> list[ScatterPoint]:
    """Return the dots of the contenders that can be drawn, the better ones further left."""
    points = []
    for contender in contenders:
        value = contender.values[place]
        if not isfinite(value) or (name in COSTS and value <= 0):
            continue
        size = -value if maximize else value
        if name in COSTS:
            size = log10(value)
        arm = title(contender.arm.name)
        label = arm if contender.is_on_front else ""
        drawn_name = f"{arm}, trial {contender.trial_number}"
        points.append(ScatterPoint(drawn_name, False, size, contender.values[0], label))
    return points


def _labels(x_axis: Axis, *, maximize: bool) -> Iterator[Markup]:
    """Yield round values of a metric along the axis, where lower ones lie further left."""
    values = x_axis.ticks()
    shown = [-value if maximize else value for value in values]
    for value, text in zip(values, numbers.ticks(shown), strict=True):
        yield x_label(x_axis.place(value), text)


def _table(record: StudyRecord, contenders: Sequence[Contender]) -> Markup:
    names = [record.objective, *record.other_objectives]
    measures = []
    for name in names:
        words = record_facts.metric_in_words(name)
        is_cost = name in COSTS
        measures.append(html.column(words, "r") if is_cost else html.measure(words, "validation"))
    measures.append(html.measure(record_facts.headline_in_words(record), "test"))
    header = html.head("Finalist", html.join(measures), html.column("Chosen"))
    rows = []
    for contender in contenders:
        finalist = contender.finalist
        assert finalist is not None, "only finalists have a row"
        on_test = headline_by_seed(record, finalist, "test").values()
        values = [_value(name, value) for name, value in zip(names, contender.values, strict=True)]
        values.append(numbers.metric(fmean(on_test)) if on_test else "not opened")
        chosen = html.words("of its arm" if finalist.chosen else numbers.DASH)
        name = f"{title(contender.arm.name)}, trial {contender.trial_number}"
        rows.append(html.row(name, html.cells(values), chosen))
    return html.table("Finalists and their objectives", header, rows, class_="cost")


def _value(name: str, value: float) -> str:
    if not isfinite(value):
        return numbers.DASH
    if name == LATENCY:
        return numbers.milliseconds(value)
    return numbers.compact(value) if name in COSTS else numbers.metric(value)


def _command(record: StudyRecord, cheapest: Contender) -> Markup:
    """Return the command that exports a member of the front, by its first further objective."""
    name = record.other_objectives[0]
    value = cheapest.values[1]
    limit = f"{name}={value:.4f}"  # what `--at` takes to admit this value
    if name == LATENCY:
        limit = f"{value * 1.005:.3g}ms"
    elif name in COSTS:
        limit = f"{name}={value:.0f}"
    said = html.note(
        "Exports the best finalist on validation within that limit, whatever its arm; another "
        "limit takes another one. Only the chosen finalist of an arm is opened on test."
    )
    return html.join([html.code_block(export_command(record, "", at=limit)), said])
