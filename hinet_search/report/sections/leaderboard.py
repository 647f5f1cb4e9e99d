"""Leaderboard: every model that can be shipped, the best on test first, and its value by cost."""

from collections.abc import Iterator, Sequence
from math import isfinite, log10

from markupsafe import Markup

from hinet_search.report import html, numbers, record_facts
from hinet_search.report.all_measures import all_measures
from hinet_search.report.comparisons import beside_arms
from hinet_search.report.figures import Axis, axis_over, over_seeds, x_label
from hinet_search.report.scatter import (
    ScatterAxes,
    ScatterPoint,
    axes_over,
    in_order,
    numbered,
    plot,
    size_labels,
    spans,
)
from hinet_search.report.sections import NEEDS_FINALISTS, Card, NotApplicable
from hinet_search.report.shipping import remarks
from hinet_search.report.standings import ResultsOnValidation, on_validation, standings
from hinet_search.results.decision import decided, ensembles_by_size, shown_better
from hinet_search.results.ensemble_records import ENSEMBLE
from hinet_search.results.finalist_values import (
    by_seed,
    chosen,
    headline,
    headline_by_seed,
    objective_by_seed,
    values_by,
)
from hinet_search.results.objectives import WITHIN_GROUPS
from hinet_search.results.opened_models import Decision, Offer
from hinet_search.results.records import ArmRecord, ServingLimits
from hinet_search.results.statistics.paired_difference import Summary, summary
from hinet_search.results.statistics.simultaneous import LEVEL
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import in_words, title, verdict
from hinet_search.results.within_groups import own_values

ORDER = 11
NEAR = log10(3.0)  # a limit within this factor of the costs is drawn
Interval = tuple[float, float]
WITH_BARS = (
    "Up: AUC within groups. Bars: the 95 % interval of each model by itself, over seeds and users. "
    "Users are the same for all, so bars that overlap may still differ."
)
LEGEND = (
    "Ring: a {cheaper} model is shown to be better on test. Line: it rises where a model is shown "
    "to be better than the {cheaper} one before it."
)


def build(record: StudyRecord) -> Card:
    """Build the table of models with their picture, and fold all other measures."""
    shipped = decided(record, verdict(record))
    if not shipped.offers:
        raise NotApplicable(NEEDS_FINALISTS)
    is_opened = any(offer.test is not None for offer in shipped.offers)
    lines = standings(record)
    offers = sorted(shipped.offers, key=lambda offer: _order(record, offer))
    table = _table(record, offers, shipped, is_opened=is_opened)
    pair = [html.join([table, _two_orders(record, offers, shipped)])]
    picture = _picture(record, offers, shipped)
    if picture:
        pair.append(picture)
    notes = []
    waiting = record_facts.arm_titles(arm for arm in record.arms if chosen(arm) is None)
    if waiting:
        note = f"Not in the table, without a finalist so far: {in_words(waiting)}."
        notes.append(html.note(note))
    if record.data.ranked:
        counts = "; ".join(count.in_words for count in record.data.ranked)
        notes.append(html.note(f"Groups of test, by task: {counts}."))
    folded = [_on_top(record, shipped), _sizes(record, ensembles_by_size(record))]
    body = [
        html.tag("div", *(html.tag("div", part) for part in pair), class_="two" if picture else ""),
        *notes,
        html.folds([*folded, all_measures(record, lines)]),
    ]
    lead = _lead(record, is_opened=is_opened)
    heading = f"The models in the order of {'test' if is_opened else 'validation'}"
    return Card("leaderboard", "Verdict", heading, lead, html.join(body))


def _order(record: StudyRecord, offer: Offer) -> tuple[bool, float]:
    """Return the key of an offer: the best on test first, then those not opened on test."""
    value = offer.valid if offer.test is None else offer.test
    return offer.test is None, -record.sign * value


def _lead(record: StudyRecord, *, is_opened: bool) -> str:
    counts = [len(finalist.runs) for _, finalist in record_facts.finalists(record)]
    mean = "1 seed"
    if max(counts) > 1:
        mean = f"mean and standard deviation over {numbers.seeds(counts)}"
    default = "Over default: what tuning added to it (kept: the default was chosen)."
    if not is_opened:
        measure = record_facts.capitalized(record_facts.objective_in_words(record))
        return f"{measure} on validation, {mean}, best first. Test has not been used yet. {default}"
    measure = record_facts.capitalized(record_facts.headline_in_words(record))
    if headline(record.objective) == "macro_auc":
        measure += " (the mean over scenarios and tasks)"
    return (
        f"{measure} on test, {mean}, best first. Validation chose what to take: this order is no "
        f"verdict, as neighbours may differ by less than seeds do. {default}"
    )


def _on_top(record: StudyRecord, shipped: Decision) -> Markup:
    """Return the gains of students and the ensemble, and remarks on them, folded."""
    said = list(remarks(record, shipped))
    if not said:
        return Markup("")
    content = html.join([beside_arms(record), html.bullets(said, "said")])
    return html.details("On top of the arms", content, on_paper=True)


def _table(
    record: StudyRecord, offers: Sequence[Offer], shipped: Decision, *, is_opened: bool
) -> Markup:
    measure = html.measure("Validation", record_facts.objective_in_words(record))
    if is_opened:
        measure = html.measure("Test", record_facts.headline_in_words(record))
    tuning = on_validation(record)
    costs = html.join(_cost_headers(record, offers))
    is_ranked = any(_within_groups(record, offer, is_opened=is_opened) for offer in offers)
    if is_ranked:
        below = "AUC, 95 % interval" if is_opened else "AUC"
        measure = html.join([measure, html.measure("Within groups", below)])
    header = html.head("Model", measure, costs, html.measure("Over default", "validation"))
    rows = []
    for offer in offers:
        cells: list[str] = [_value(record, offer, is_opened=is_opened)]
        if is_ranked:
            cells.append(_ranked(record, offer, is_opened=is_opened))
        cells += _costs(record, offer, offers)
        cells.append(_over_default(tuning.get(offer.name)))
        remark = ", ".join(_remarks(record, offer, shipped))
        name = html.remarked(title(offer.name), remark) if remark else title(offer.name)
        rows.append(html.row(name, html.cells(cells), class_="me" * (offer == shipped.taken)))
    return html.table("Leaderboard", header, rows, class_="models")


def _remarks(record: StudyRecord, offer: Offer, shipped: Decision) -> Iterator[str]:
    if offer == shipped.taken:
        yield "taken"
    if offer.kind == "student":
        yield "student"
    if offer.kind == "ensemble":
        yield numbers.plural(offer.members, "model")
    for arm in record.arms:
        if arm.name == offer.name and arm.size_of:
            yield f"same size as {title(arm.size_of)}"
    if offer.name == record.reference:
        yield "reference"


def _model(record: StudyRecord, offer: Offer) -> ArmRecord | None:
    """Return the arm or student that is offered; None for an ensemble."""
    return next((arm for arm in record.arms_and_students if arm.name == offer.name), None)


def _value(record: StudyRecord, offer: Offer, *, is_opened: bool) -> Markup:
    """Return the mean of a model over its seeds with their deviation, of an ensemble its value."""
    model = _model(record, offer)
    if not is_opened:
        reached = summary(objective_by_seed(record, chosen(model), "valid").values())
    elif offer.test is None:
        return html.number(html.tag("small", "not opened"))
    else:
        reached = summary(headline_by_seed(record, chosen(model), "test").values())
    if reached is None:  # of an ensemble
        return html.number(numbers.metric(offer.test if is_opened else offer.valid))
    return over_seeds(reached)


def _within_groups(record: StudyRecord, offer: Offer, *, is_opened: bool) -> Summary | None:
    """Return the AUC within groups that a model reached; None without groups."""
    value = values_by(WITHIN_GROUPS)
    ensemble = record.ensemble(ENSEMBLE)
    if offer.kind == "ensemble" and ensemble is not None:
        of_ensemble = value((ensemble.test_cells if is_opened else ensemble.valid_cells) or ())
        return summary([] if of_ensemble is None else [of_ensemble])
    finalist = chosen(_model(record, offer))
    return summary(by_seed(finalist, "test" if is_opened else "valid", value).values())


def _ranked(record: StudyRecord, offer: Offer, *, is_opened: bool) -> Markup:
    """Return the AUC within groups with its interval over seeds and users where it is known."""
    own = own_values(record, _model(record, offer)) if is_opened else None
    if own is None:
        return over_seeds(_within_groups(record, offer, is_opened=is_opened))
    low, high = map(numbers.metric, own[1].interval(LEVEL))
    return html.number(html.remarked(numbers.metric(own[1].mean), f"{low} to {high}"))


def _over_default(valid: ResultsOnValidation | None) -> str:
    if valid is None or valid.default is None:
        return numbers.DASH
    return "kept" if valid.kept_default else numbers.gain(valid.tuning)


def _is_timed(offers: Sequence[Offer]) -> bool:
    return any(offer.milliseconds is not None for offer in offers)


def _cost_headers(record: StudyRecord, offers: Sequence[Offer]) -> Iterator[Markup]:
    yield html.column("100 rows" if _is_timed(offers) else "FLOPs per row", "r")
    if record.budget.serving.are_set:
        yield html.column("Within limits", "r")


def _costs(record: StudyRecord, offer: Offer, offers: Sequence[Offer]) -> Iterator[str]:
    """Yield the time, or FLOPs if none is timed, and the share of the limits: `yes, 41 %`."""
    if _is_timed(offers):
        yield numbers.milliseconds(offer.milliseconds)
    else:
        yield numbers.compact(offer.flops_per_row or None)
    if record.budget.serving.are_set:
        if not isfinite(offer.share):
            yield "not timed"
        elif not offer.share:
            yield "yes"
        else:
            yield f"{'yes' if offer.meets_limits else 'no'}, {numbers.percent(offer.share)}"


def _sizes(record: StudyRecord, sizes: Sequence[Offer]) -> Markup:
    """Return the table of the best ensembles by size, folded; empty without any."""
    if not sizes:
        return Markup("")
    measure = html.measure("Validation, cross-fitted", record_facts.objective_in_words(record))
    header = html.head("Models", measure, html.join(_cost_headers(record, sizes)))
    rows = []
    for offer in sizes:
        values = [numbers.metric(offer.valid), *_costs(record, offer, sizes)]
        rows.append(html.row(str(offer.members), html.cells(values)))
    content = html.table("Ensembles by size", header, rows, class_="models")
    return html.details("The best ensembles by size", content)


def _points(
    record: StudyRecord, offers: Sequence[Offer], shipped: Decision, *, is_timed: bool
) -> Iterator[ScatterPoint]:
    """Yield the offers that have a cost and a value on test, with the deviation of their seeds."""
    for offer in offers:
        cost = offer.milliseconds if is_timed else offer.flops_per_row
        if not cost or offer.test is None:
            continue
        name = title(offer.name)
        is_taken = offer == shipped.taken
        by_seed_of_model = headline_by_seed(record, chosen(_model(record, offer)), "test")
        reached = summary(by_seed_of_model.values())
        spread = (reached and reached.deviation) or 0.0
        yield ScatterPoint(name, is_taken, log10(cost), offer.test, name, offer.kind, spread)


def _picture(record: StudyRecord, offers: Sequence[Offer], shipped: Decision) -> Markup:
    """Plot the value on test against the time, or FLOPs if none is timed; empty below two dots."""
    is_timed = _is_timed(offers)
    measure = "milliseconds for 100 rows" if is_timed else "FLOPs per row"
    points = list(_points(record, offers, shipped, is_timed=is_timed))
    if len(points) < 2:
        return Markup("")
    points.sort(key=lambda point: (not point.is_focus, point.kind == "arm"))  # named first
    near = _near(points, record.budget.serving, is_of_time=is_timed)
    axes = axes_over(points, near)
    beneath = [_limit(axes.x.place(size)) for size in near]
    beneath += size_labels(axes.x)
    spoken = f"Value on test against {measure}, cheapest first: {in_order(points)}"
    words = f"{measure}, log scale", spoken
    better = shown_better(record, verdict(record), offers)
    drawn = plot(
        points, axes, beneath, words, lambda left, right: (left.name, right.name) in better
    )
    measured = record_facts.capitalized(record_facts.headline_in_words(record))
    heading = html.tag("h3", f"{measured} on test and {'time' if is_timed else 'FLOPs'}")
    legend = "No model is shown to be better than another one on test."
    if better:
        legend = LEGEND.format(cheaper="faster" if is_timed else "cheaper")
    if any(point.spread for point in points):
        legend += " Bars: standard deviation over seeds."
    if any(point.kind != "arm" for point in points):
        legend += " Diamond: student. Square: ensemble."
    names = {point.name for point in points}
    left_out = [title(offer.name) for offer in offers if title(offer.name) not in names]
    if left_out:
        legend += f" Without {measure} or test, so not drawn: {in_words(left_out)}."
    return html.join([heading, drawn, html.note(html.join([legend, numbered(points, axes)]))])


def _two_orders(record: StudyRecord, offers: Sequence[Offer], shipped: Decision) -> Markup:
    """Plot the AUC within groups on test against the headline; empty below two dots."""
    sign = -1 if record.maximize else 1
    points = []
    intervals = []
    for offer in offers:
        within = _within_groups(record, offer, is_opened=True)
        if within is None or offer.test is None:
            continue
        name = title(offer.name)
        size = sign * offer.test
        is_taken = offer == shipped.taken
        points.append(ScatterPoint(name, is_taken, size, within.mean, name, offer.kind))
        own = own_values(record, _model(record, offer))
        if own is not None:
            intervals.append((own[0].interval(LEVEL), own[1].interval(LEVEL)))
    if len(points) < 2:
        return Markup("")
    points.sort(key=lambda point: (not point.is_focus, point.kind == "arm"))  # named first
    measure = record_facts.headline_in_words(record)
    heading = html.tag("h3", f"AUC within groups and {measure} on test")
    drawn, named = _drawn_orders(points, intervals, measure, sign=sign)
    return html.join([heading, drawn, html.note(html.join([WITH_BARS, named]))])


def _drawn_orders(
    points: Sequence[ScatterPoint],
    intervals: Sequence[tuple[Interval, Interval]],
    measure: str,
    *,
    sign: int,
) -> tuple[Markup, Markup]:
    """Draw points of the headline times `sign`, the better ones further right where it falls."""
    of_measure = [sign * point.size for point in points]
    plain = axis_over([*of_measure, *(end for x, _ in intervals for end in x)], 0.1)
    values = [point.value for point in points]
    of_y = axis_over([*values, *(end for _, y in intervals for end in y)])
    axes = ScatterAxes(Axis(sign * plain.low, sign * plain.high), of_y)
    beneath = [spans(plain, of_y, *interval) for interval in intervals]
    ticks = plain.ticks()
    for tick, text in zip(ticks, numbers.ticks(ticks), strict=True):
        beneath.append(x_label(plain.place(tick), text))
    spoken = f"AUC within groups against {measure}, the best by it first: {in_order(points)}"
    words = f"{measure} on test", spoken
    return plot(points, axes, beneath, words, lambda *_: False), numbered(points, axes)


def _near(
    points: Sequence[ScatterPoint], limits: ServingLimits, *, is_of_time: bool
) -> list[float]:
    """Return the limit on the log scale if it is near the costs, else nothing."""
    limit = limits.max_ms_per_100_rows if is_of_time else limits.max_flops_per_row
    sizes = [point.size for point in points]
    if limit is None or not min(sizes) - NEAR <= log10(limit) <= max(sizes) + NEAR:
        return []
    return [log10(limit)]


def _limit(place: float) -> Markup:
    """Return a vertical line at the serving limit with its name."""
    side = " before" if place > 50 else ""
    name = html.tag("span", "serving limit")
    return html.tag("i", name, class_=f"limit{side}", style=f"left:{place:.1f}%")
