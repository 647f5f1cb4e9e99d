"""What to ship: arms, students and the ensemble by quality and cost, and which of them to take."""

from collections.abc import Iterator, Sequence
from math import isfinite, log10

from markupsafe import Markup

from hinet_search.report.card import NEEDS_FINALISTS, Card, NotApplicable
from hinet_search.report.drawing import html, numbers
from hinet_search.report.drawing.scatter import ScatterPoint, axes_over, in_order, plot, size_labels
from hinet_search.report.facts import record as record_facts
from hinet_search.report.text.advice import export_block
from hinet_search.report.text.shipping import has_more_than_arms, lead, remarks
from hinet_search.results.ensemble_records import ENSEMBLE
from hinet_search.results.records import ServingLimits
from hinet_search.results.shipping import Offer, Shipment, ensembles_by_size, shipment
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import in_words, title, verdict

ORDER = 12
NEAR = 3.0  # a limit within this factor of the costs is drawn
LEGEND = (
    "Filled: nothing else is both cheaper and better. Ring: something is. Circle: arm, diamond: "
    "student, square: ensemble."
)


def build(record: StudyRecord) -> Card:
    """Build the frontier, the table of offers, and the export command of the one to take."""
    if not has_more_than_arms(record):
        raise NotApplicable(
            "needs students, an ensemble or serving limits; "
            "`teaching: auto`, `ensemble: true` or `serving:` in the study file adds them"
        )
    outcome = verdict(record)
    shipped = shipment(record, outcome)
    if not shipped.offers:
        raise NotApplicable(NEEDS_FINALISTS)
    sizes = ensembles_by_size(record)
    body = [
        _picture(record, [*shipped.offers, *sizes], shipped),
        _table(record, shipped),
        html.bullets(remarks(record, shipped), "said"),
        export_block(record, shipped),
        _sizes(record, sizes),
    ]
    heading = "What can be shipped"
    if shipped.taken is not None and outcome.status != "observation":
        heading = f"Ship {title(shipped.taken.name)}"
    return Card(
        "what-to-ship", "Verdict", heading, html.prose(lead(record, shipped)), html.join(body)
    )


def _table(record: StudyRecord, shipped: Shipment) -> Markup:
    offers = sorted(shipped.offers, key=lambda offer: offer.valid, reverse=record.maximize)
    measures = [
        _measure("Validation", record_facts.objective_in_words(record)),
        _measure("Test", record_facts.headline_in_words(record)),
    ]
    costs = html.join([*measures, *_cost_headers(record, offers)])
    header = html.head("Name", "Kind", "Models", costs, numeric_from=2)
    rows = []
    for offer in offers:
        name: html.Content = title(offer.name)
        me = ""
        if offer == shipped.taken:
            name = html.join([name, html.tag("small", " taken")])
            me = "me"
        values = [str(offer.members), numbers.metric(offer.valid), numbers.metric(offer.test)]
        of_offer = html.cells([*values, *_costs(record, offer, offers)])
        rows.append(html.row(name, html.words(offer.kind), of_offer, class_=me))
    return html.scroll("What the study can ship", html.table(header, rows, class_="cost"))


def _measure(split: str, measure: str) -> Markup:
    return html.column(html.join([split, html.tag("br"), html.tag("small", measure)]), "r")


def _is_timed(offers: Sequence[Offer]) -> bool:
    return any(offer.milliseconds is not None for offer in offers)


def _cost_headers(record: StudyRecord, offers: Sequence[Offer]) -> Iterator[Markup]:
    if _is_timed(offers):
        yield html.column("100 rows", "r")
    yield html.column("FLOPs per row", "r")
    if record.budget.serving.are_set:
        yield html.column("Within limits", "r")


def _costs(record: StudyRecord, offer: Offer, offers: Sequence[Offer]) -> Iterator[str]:
    """Yield time, FLOPs and the share of the limits that an offer takes: `yes, 41 %`."""
    if _is_timed(offers):
        yield numbers.milliseconds(offer.milliseconds)
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
    measure = _measure("Validation, cross-fitted", record_facts.objective_in_words(record))
    header = html.head("Models", measure, html.join(_cost_headers(record, sizes)))
    rows = []
    for offer in sizes:
        values = [numbers.metric(offer.valid), *_costs(record, offer, sizes)]
        rows.append(html.row(str(offer.members), html.cells(values)))
    content = html.scroll("Ensembles by size", html.table(header, rows))
    return html.details("The best ensembles by size", content)


def _picture(record: StudyRecord, offers: Sequence[Offer], shipped: Shipment) -> Markup:
    """Plot the objective on validation against the cost; empty with fewer than two to draw.

    The cost is the time to score 100 rows if it is known for all offers, else FLOPs per row.
    """
    is_timed = all(offer.milliseconds for offer in offers)
    measure = "milliseconds for 100 rows" if is_timed else "FLOPs per row"
    points = []
    left_out = []
    for offer in offers:
        cost = offer.milliseconds if is_timed else offer.flops_per_row
        if cost:
            points.append(_point(offer, cost, shipped, is_last=offer == offers[-1]))
        else:
            left_out.append(title(offer.name))
    if len(points) < 2:
        return Markup("")
    points.sort(key=lambda point: point.kind == "arm")  # named last
    limit = _near(points, record.budget.serving, is_of_time=is_timed)
    axes = axes_over(points, limit)
    beneath = [_limit(axes.x.place(size)) for size in limit]
    spoken = f"Value on validation against {measure}, cheapest first: {in_order(points)}"
    drawn = plot(
        points,
        axes,
        [*beneath, *size_labels(axes.x)],
        (f"{measure}, log scale", spoken),
        maximize=record.maximize,
    )
    legend = LEGEND
    if left_out:
        legend += f" Without {measure}, so not drawn: {in_words(left_out)}."
    if len(offers) > len(shipped.offers):
        legend += " Small: the best ensembles of two and more runs, with cross-fitted values."
    objective = record_facts.capitalized(record_facts.objective_in_words(record))
    heading = html.tag("h3", f"{objective} on validation and cost")
    return html.join([heading, html.scroll("Value against cost", drawn), html.note(legend)])


def _point(offer: Offer, cost: float, shipped: Shipment, *, is_last: bool) -> ScatterPoint:
    """Return the dot of an offer; of the ensembles by size only the last has its name beside it."""
    is_size = offer.kind == "ensemble" and offer.name != ENSEMBLE
    return ScatterPoint(
        title(offer.name),
        is_focus=offer == shipped.taken,
        size=log10(cost),
        value=offer.valid,
        kind="" if is_size else offer.kind,
        label="" if is_size and not is_last else None,
        is_small=is_size,
    )


def _near(
    points: Sequence[ScatterPoint], limits: ServingLimits, *, is_of_time: bool
) -> list[float]:
    """Return the limit on the log scale if it is near the costs, else nothing."""
    limit = limits.max_ms_per_100_rows if is_of_time else limits.max_flops_per_row
    if limit is None:
        return []
    sizes = [point.size for point in points]
    near = log10(NEAR)
    return [log10(limit)] if min(sizes) - near <= log10(limit) <= max(sizes) + near else []


def _limit(place: float) -> Markup:
    """Return a vertical line at the serving limit with its name."""
    side = " before" if place > 50 else ""
    name = html.tag("span", "serving limit")
    return html.tag("i", name, class_=f"limit{side}", style=f"left:{place:.1f}%")
