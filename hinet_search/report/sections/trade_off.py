"""Trade-off: the finalists of a study with several objectives, and which of them nothing beats."""

from collections.abc import Iterator, Sequence
from math import isfinite, log10
from statistics import fmean

from markupsafe import Markup

from hinet_search.report.card import Card, NotApplicable
from hinet_search.report.drawing import numbers
from hinet_search.report.drawing.figures import Axis, axis_over
from hinet_search.report.drawing.html import (
    column,
    details,
    head,
    join,
    note,
    row,
    scroll,
    table,
    tag,
    words,
)
from hinet_search.report.drawing.scatter import ScatterPoint, in_order, plot, size_labels
from hinet_search.report.facts import record as record_facts
from hinet_search.results.finalist_values import headline_by_seed
from hinet_search.results.front import Contender, finalists_of, objectives_of, trials_of
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.trade_offs import COSTS, LATENCY, Objectives, is_on_front
from hinet_search.results.verdict import in_words, title

ORDER = 14
LEGEND = (
    "Filled: no finalist is as good in one and better in the other. Ring: another one is. "
    "Small: trials on the front of their arm, with one seed."
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
    on_front = [contender for contender in finalists if contender.is_on_front]
    body = [
        *(
            _picture(record, objectives, place, finalists, trials)
            for place in range(1, len(objectives.directions))
        ),
        _table(record, on_front),
        _beaten(record, [each for each in finalists if not each.is_on_front]),
        _command(record, on_front),
    ]
    heading = _heading(record, finalists, on_front)
    return Card("trade-off", "Verdict", heading, _lead(finalists, on_front), join(body))


def _heading(
    record: StudyRecord, finalists: Sequence[Contender], on_front: Sequence[Contender]
) -> str:
    names = [record.objective, *record.other_objectives]
    of_all = in_words([record_facts.metric_in_words(name) for name in names])
    if not finalists:
        return f"The trade-off of {of_all} so far"
    stand = "stands" if len(on_front) == 1 else "stand"
    return (
        f"{len(on_front)} of {numbers.plural(len(finalists), 'finalist')} {stand} on the front of "
        f"{of_all}"
    )


def _lead(finalists: Sequence[Contender], on_front: Sequence[Contender]) -> str:
    if not finalists:
        return "Complete trials on validation, with one seed; finalists come later."
    arms = list(dict.fromkeys(title(contender.arm.name) for contender in on_front))
    return (
        f"Nothing beats these finalists, of {in_words(arms)}: whatever is better in one objective "
        "is worse in another. Values are of validation, means over seeds. Differences within the "
        "spread between seeds decide who stands on the front too."
    )


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

    def points_of(contenders: Sequence[Contender]) -> list[ScatterPoint]:
        return [
            _point(contender, place, name, maximize=maximize)
            for contender in contenders
            if _can_be_drawn(contender.values[place], name)
        ]

    points = points_of(finalists)
    small = points_of(_in_sight(finalists, trials, objectives))
    if len(points) + len(small) < 2:
        return Markup("")
    x_axis = axis_over([point.size for point in (*points, *small)], margin=0.18)
    y_axis = axis_over([point.value for point in (*points, *small)], margin=0.14)
    of_other = record_facts.metric_in_words(name)
    of_first = record_facts.objective_in_words(record)
    scale = "log scale, " if name in COSTS else ""
    named = in_order(point for point in points if point.label)
    labels = size_labels(x_axis) if name in COSTS else _labels(x_axis, maximize=maximize)
    drawn = plot(
        points,
        (x_axis, y_axis),
        [*labels, *(_small_mark(point, x_axis, y_axis) for point in small)],
        (
            f"{of_other}, {scale}better to the left",
            f"{of_first} against {of_other}, from better to worse of the latter: {named}",
        ),
        maximize=record.maximize,
    )
    heading = f"{record_facts.capitalized(of_first)} and {of_other} on validation"
    return join([tag("h3", heading), scroll(heading, drawn), note(LEGEND)])


def _small_mark(point: ScatterPoint, x_axis: Axis, y_axis: Axis) -> Markup:
    place = f"left:{x_axis.place(point.size):.1f}%;bottom:{y_axis.place(point.value):.1f}%"
    return tag("i", class_="dot small ring", style=place, title=point.name)


def _in_sight(
    finalists: Sequence[Contender], trials: Sequence[Contender], objectives: Objectives
) -> list[Contender]:
    """Return the trials that do not flatten the finalists: those within twice their range."""
    values = [objectives.signed(each.values)[0] for each in finalists]
    if not values:
        return list(trials)
    lowest = 2 * min(values) - max(values)
    return [each for each in trials if objectives.signed(each.values)[0] >= lowest]


def _can_be_drawn(value: float, name: str) -> bool:
    return isfinite(value) and (name not in COSTS or value > 0)


def _point(contender: Contender, place: int, name: str, *, maximize: bool) -> ScatterPoint:
    value = contender.values[place]
    size = log10(value) if name in COSTS else (-value if maximize else value)
    shown = title(contender.arm.name)
    return ScatterPoint(
        f"{shown}, trial {contender.trial_number}",
        False,
        size,
        contender.values[0],
        label=shown if contender.is_on_front else "",
    )


def _labels(x_axis: Axis, *, maximize: bool) -> Iterator[Markup]:
    """Yield round values of a metric along the axis, where lower ones lie further left."""
    values = x_axis.ticks()
    shown = [-value if maximize else value for value in values]
    for value, text in zip(values, numbers.ticks(shown), strict=True):
        yield tag("span", text, class_="tx", style=f"left:{x_axis.place(value):.1f}%")


def _table(record: StudyRecord, contenders: Sequence[Contender]) -> Markup:
    if not contenders:
        return Markup("")
    names = [record.objective, *record.other_objectives]
    measures = [
        _column(record_facts.metric_in_words(name), "" if name in COSTS else "validation")
        for name in names
    ]
    on_test = _column(record_facts.headline_in_words(record), "test")
    header = head("Finalist", *measures, on_test, column("Chosen"))
    rows = [
        row(
            f"{title(each.arm.name)}, trial {each.trial_number}",
            *(_value(name, value) for name, value in zip(names, each.values, strict=True)),
            _on_test(record, each),
            words("of its arm" if each.finalist and each.finalist.chosen else numbers.DASH),
        )
        for each in contenders
    ]
    return scroll("Finalists and their objectives", table(header, rows, class_="cost"))


def _column(measure: str, split: str) -> Markup:
    return column(join([measure, tag("br"), tag("small", split)]) if split else measure, "r")


def _value(name: str, value: float) -> str:
    if not isfinite(value):
        return numbers.DASH
    if name == LATENCY:
        return numbers.milliseconds(value)
    return numbers.compact(value) if name in COSTS else numbers.metric(value)


def _on_test(record: StudyRecord, contender: Contender) -> str:
    assert contender.finalist is not None, "only finalists have a row"
    values = headline_by_seed(record, contender.finalist, "test").values()
    return numbers.metric(fmean(values)) if values else "not opened"


def _beaten(record: StudyRecord, contenders: Sequence[Contender]) -> Markup:
    if not contenders:
        return Markup("")
    summary = f"{numbers.plural(len(contenders), 'finalist')} that another one beats"
    return details(record_facts.capitalized(summary), _table(record, contenders))


def _command(record: StudyRecord, on_front: Sequence[Contender]) -> Markup:
    """Return the command that exports a member of the front, by its first further objective."""
    if record.state != "done" or not on_front:
        return Markup("")
    name = record.other_objectives[0]
    cheapest = on_front[-1]
    limit = _limit(name, cheapest.values[1])
    said = note(
        "Exports the best finalist on validation within that limit, whatever its arm; another "
        "limit takes another one. Only the chosen finalist of an arm is opened on test."
    )
    command = record_facts.export_command(record, "", at=limit)
    return join([tag("pre", tag("code", command), tabindex="0"), said])


def _limit(name: str, value: float) -> str:
    """Return what `--at` takes to admit this value: `2.5ms`, `flops_per_row=12345`."""
    if name == LATENCY:
        return f"{value * 1.005:.3g}ms"
    return f"{name}={value:.0f}" if name in COSTS else f"{name}={value:.4f}"
