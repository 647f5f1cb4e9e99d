"""What to ship: arms, students and the ensemble by quality and cost, and which of them to take."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite, log10

from markupsafe import Markup

from hinet_search.report.card import NEEDS_FINALISTS, Card, NotApplicable
from hinet_search.report.drawing import numbers
from hinet_search.report.drawing.figures import Axis, axis_over
from hinet_search.report.drawing.html import (
    Content,
    column,
    details,
    head,
    join,
    note,
    prose,
    row,
    scroll,
    table,
    tag,
    words,
)
from hinet_search.report.drawing.scatter import ScatterPoint, in_order, plot, size_labels
from hinet_search.report.facts import record as record_facts
from hinet_search.report.text.advice import export_block
from hinet_search.report.text.shipping import has_more_than_arms, lead, remarks
from hinet_search.results.ensemble_records import ENSEMBLE
from hinet_search.results.shipping import Offer, Shipment, ensembles_by_size, shipment
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import in_words, title, verdict

ORDER = 12
NEAR = 3.0  # a limit within this factor of the costs is drawn
LEGEND = (
    "Filled: nothing else is both cheaper and better. Ring: something is. Circle: arm, diamond: "
    "student, square: ensemble."
)


@dataclass(frozen=True)
class CostScale:
    """What the figure has as cost; `of` returns None for an offer whose cost is not known."""

    words: str
    of: Callable[[Offer], float | None]
    limit: float | None


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
        tag("ul", *(tag("li", line) for line in remarks(record, shipped)), class_="said"),
        export_block(record, shipped),
        _sizes(record, sizes),
    ]
    heading = "What can be shipped"
    if shipped.taken is not None and outcome.status != "observation":
        heading = f"Ship {title(shipped.taken.name)}"
    return Card("what-to-ship", "Verdict", heading, prose(lead(record, shipped)), join(body))


def _table(record: StudyRecord, shipped: Shipment) -> Markup:
    offers = sorted(shipped.offers, key=lambda offer: offer.valid, reverse=record.maximize)
    timed = any(offer.milliseconds is not None for offer in offers)
    limited = record.budget.serving.are_set
    header = head(
        "Name",
        "Kind",
        "Models",
        _measure("Validation", record_facts.objective_in_words(record)),
        _measure("Test", record_facts.headline_in_words(record)),
        *(["100 rows"] if timed else []),
        "FLOPs per row",
        *(["Within limits"] if limited else []),
        numeric_from=2,
    )
    rows = [
        row(
            _name(offer, is_taken=offer == shipped.taken),
            words(offer.kind),
            *_numbers(offer, timed=timed, limited=limited),
            class_="me" if offer == shipped.taken else "",
        )
        for offer in offers
    ]
    return scroll("What the study can ship", table(header, rows, class_="cost"))


def _measure(split: str, measure: str) -> Markup:
    return column(join([split, tag("br"), tag("small", measure)]), "r")


def _name(offer: Offer, *, is_taken: bool) -> Content:
    return join([title(offer.name), tag("small", " taken")]) if is_taken else title(offer.name)


def _numbers(offer: Offer, *, timed: bool, limited: bool) -> Iterator[str]:
    yield str(offer.members)
    yield numbers.metric(offer.valid)
    yield numbers.metric(offer.test)
    if timed:
        time = offer.milliseconds
        yield numbers.DASH if time is None else numbers.milliseconds(time)
    yield numbers.compact(offer.flops_per_row) if offer.flops_per_row else numbers.DASH
    if limited:
        yield _share(offer.share)


def _share(share: float) -> str:
    """Return the share of the limits that an offer takes: `yes, 41 %`, `no, 140 %`."""
    if not isfinite(share):
        return "not timed"
    if not share:
        return "yes"
    return f"{'yes' if share <= 1 else 'no'}, {numbers.percent(share)}"


def _sizes(record: StudyRecord, sizes: Sequence[Offer]) -> Markup:
    """Return the table of the best ensembles by size, folded; empty without any."""
    if not sizes:
        return Markup("")
    timed = any(offer.milliseconds is not None for offer in sizes)
    limited = record.budget.serving.are_set
    objective = record_facts.objective_in_words(record)
    header = head(
        "Models",
        _measure("Validation, cross-fitted", objective),
        *(["100 rows"] if timed else []),
        "FLOPs per row",
        *(["Within limits"] if limited else []),
    )
    rows = []
    for offer in sizes:
        members, valid, _, *costs = _numbers(offer, timed=timed, limited=limited)
        rows.append(row(members, valid, *costs))
    content = scroll("Ensembles by size", table(header, rows))
    return details("The best ensembles by size", content)


def _picture(record: StudyRecord, offers: Sequence[Offer], shipped: Shipment) -> Markup:
    """Plot the objective on validation against the cost; empty with fewer than two to draw."""
    scale = _scale(record, offers)
    last = offers[-1]
    points = [
        _point(offer, cost, is_taken=offer == shipped.taken, is_last=offer == last)
        for offer in sorted(offers, key=lambda offer: offer.kind == "arm")  # named last
        if (cost := scale.of(offer)) is not None
    ]
    if len(points) < 2:
        return Markup("")
    x_axis = axis_over([*(point.size for point in points), *_drawn_limit(scale, points)], 0.18)
    y_axis = axis_over([point.value for point in points], margin=0.14)
    drawn = plot(
        points,
        (x_axis, y_axis),
        [*_limit(scale, points, x_axis), *size_labels(x_axis)],
        (
            f"{scale.words}, log scale",
            f"Value on validation against {scale.words}, cheapest first: {in_order(points)}",
        ),
        maximize=record.maximize,
    )
    objective = record_facts.capitalized(record_facts.objective_in_words(record))
    heading = tag("h3", f"{objective} on validation and cost")
    return join([heading, scroll("Value against cost", drawn), note(_legend(scale, offers))])


def _scale(record: StudyRecord, offers: Sequence[Offer]) -> CostScale:
    """Return the time to score 100 rows if it is known for all offers, else FLOPs per row."""
    limits = record.budget.serving
    if all(offer.milliseconds for offer in offers):
        return CostScale(
            "milliseconds for 100 rows",
            lambda offer: offer.milliseconds,
            limits.max_ms_per_100_rows,
        )
    return CostScale(
        "FLOPs per row", lambda offer: offer.flops_per_row or None, limits.max_flops_per_row
    )


def _point(offer: Offer, cost: float, *, is_taken: bool, is_last: bool) -> ScatterPoint:
    """Return the dot of an offer; of the ensembles by size only the last has its name beside it."""
    is_size = offer.kind == "ensemble" and offer.name != ENSEMBLE
    return ScatterPoint(
        title(offer.name),
        is_taken,
        log10(cost),
        offer.valid,
        "" if is_size else offer.kind,
        label="" if is_size and not is_last else None,
        is_small=is_size,
    )


def _drawn_limit(scale: CostScale, points: Sequence[ScatterPoint]) -> list[float]:
    """Return the limit on the log scale, if it is near the costs."""
    if scale.limit is None:
        return []
    limit = log10(scale.limit)
    sizes = [point.size for point in points]
    near = log10(NEAR)
    return [limit] if min(sizes) - near <= limit <= max(sizes) + near else []


def _limit(scale: CostScale, points: Sequence[ScatterPoint], x_axis: Axis) -> Iterator[Markup]:
    """Yield a vertical line at the serving limit with its name."""
    for limit in _drawn_limit(scale, points):
        place = x_axis.place(limit)
        side = " before" if place > 50 else ""
        name = tag("span", "serving limit")
        yield tag("i", name, class_=f"limit{side}", style=f"left:{place:.1f}%")


def _legend(scale: CostScale, offers: Sequence[Offer]) -> str:
    left = [title(offer.name) for offer in offers if scale.of(offer) is None]
    legend = LEGEND
    if left:
        legend += f" Without {scale.words}, so not drawn: {in_words(left)}."
    if any(offer.name != ENSEMBLE and offer.kind == "ensemble" for offer in offers):
        legend += " Small: the best ensembles of two and more runs, with cross-fitted values."
    return legend
