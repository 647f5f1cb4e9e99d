"""Cost: size, compute and speed of each arm's chosen finalist, against its value."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log10
from statistics import fmean

from markupsafe import Markup

from hinet_search.report.card import NEEDS_FINALISTS, Card, NotApplicable
from hinet_search.report.drawing import html, numbers
from hinet_search.report.drawing.scatter import (
    ScatterPoint,
    axes_over,
    in_order,
    plot,
    sides_of,
    size_labels,
)
from hinet_search.report.facts import record as record_facts
from hinet_search.results.finalist_values import Split, headline_by_seed, mean_of
from hinet_search.results.records import Cost
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

ORDER = 30
ALIKE = 0.05


@dataclass(frozen=True)
class CostEntry:
    """One arm: costs as means over its seeds, and the measure of the verdict."""

    name: str
    is_focus: bool
    cost: Cost
    milliseconds: float | None  # for 100 rows
    value: float | None


def build(record: StudyRecord) -> Card:
    """Build a table of costs and a plot of value against size."""
    finalists = [finalist for _, finalist in record_facts.finalists(record)]
    if not finalists:
        raise NotApplicable(NEEDS_FINALISTS)
    split: Split = "test" if any(finalist.is_opened for finalist in finalists) else "valid"
    entries = _entries(record, split)
    body = _table(entries)
    picture = _picture(record, entries, split)
    if picture:
        body = html.tag("div", html.tag("div", body), html.tag("div", picture), class_="two")
    return Card("cost", "Cost", _heading(entries), _lead(record, entries), body)


def _lead(record: StudyRecord, entries: Sequence[CostEntry]) -> str:
    means = "Means over the seeds" if record_facts.has_several_seeds(record) else "One seed"
    lead = (
        f"{means} of each arm's chosen finalist. "
        "Rows per second and time are of training, on the machine that ran it."
    )
    if _is_timed(entries):
        devices = ", ".join(sorted({entry.cost.device for entry in entries}))
        load = ", with other slots running" if record.slots > 1 else ""
        lead += f" The time for 100 rows is the median of single requests, on {devices}{load}."
    if not all(entry.cost.flops_per_row for entry in entries):
        lead += " A dash: not a torch model, so its parameters and FLOPs are not counted."
    return lead


def _is_timed(entries: Sequence[CostEntry]) -> bool:
    return any(entry.milliseconds is not None for entry in entries)


def _entries(record: StudyRecord, split: Split) -> list[CostEntry]:
    focus = record_facts.focus_of(record)
    entries = []
    for arm, finalist in record_facts.finalists(record):
        costs = [run.cost for run in finalist.runs]
        mean = Cost(
            parameters=costs[0].parameters,
            dense_parameters=costs[0].dense_parameters,
            flops_per_row=costs[0].flops_per_row,
            rows_per_second=fmean(cost.rows_per_second for cost in costs),
            seconds=fmean(cost.seconds for cost in costs),
            peak_memory_bytes=max(cost.peak_memory_bytes for cost in costs),
            device=costs[0].device,
        )
        value = mean_of(headline_by_seed(record, finalist, split).values())
        time = record_facts.milliseconds_per_100(finalist)
        entries.append(CostEntry(title(arm.name), arm == focus, mean, time, value))
    return entries


def _heading(entries: Sequence[CostEntry]) -> str:
    """Compare the focus with the first other arm, by time or else by FLOPs."""
    focus = next((entry for entry in entries if entry.is_focus), entries[0])
    others = [entry for entry in entries if entry is not focus]
    for rival in others:
        if focus.milliseconds and rival.milliseconds:
            times = _times(focus.milliseconds / rival.milliseconds, "long")
            return f"{focus.name} takes {times} as {rival.name} to score 100 rows"
    for rival in others:
        if focus.cost.flops_per_row and rival.cost.flops_per_row:
            times = _times(focus.cost.flops_per_row / rival.cost.flops_per_row, "much")
            return f"{focus.name} computes {times} per row as {rival.name}"
    return f"What does {focus.name} cost?"


def _times(ratio: float, how: str) -> str:
    """Return `1.5 times as long`, or `about as long` if the two are within 5 %."""
    return f"about as {how}" if abs(ratio - 1) < ALIKE else f"{numbers.ratio(ratio)} times as {how}"


def _table(entries: Sequence[CostEntry]) -> Markup:
    titles = ["Parameters", "without embeddings", "FLOPs per row"]
    titles += ["100 rows"] if _is_timed(entries) else []
    header = html.head("Arm", html.columns([*titles, "Rows/s", "Time", "Peak memory"]))
    rows = []
    for entry in entries:
        cost = entry.cost
        values = [numbers.DASH] * 3  # not a torch model
        if cost.flops_per_row:
            counts = (cost.parameters, cost.dense_parameters, cost.flops_per_row)
            values = [numbers.compact(count) for count in counts]
        if _is_timed(entries):
            values.append(numbers.milliseconds(entry.milliseconds))
        values.append(numbers.compact(cost.rows_per_second))
        values.append(numbers.duration(cost.seconds))
        memory = f"{numbers.compact(cost.peak_memory_bytes)}B"
        values.append(memory if cost.peak_memory_bytes else numbers.DASH)
        rows.append(html.row(entry.name, html.cells(values), class_="me" if entry.is_focus else ""))
    return html.scroll("Cost of all arms", html.table(header, rows, class_="cost"))


def _picture(record: StudyRecord, entries: Sequence[CostEntry], split: Split) -> Markup:
    """Plot value against size, each arm with its name; empty with fewer than two arms to draw."""
    points = []
    for entry in entries:
        size = entry.cost.dense_parameters
        if entry.value is not None and size and entry.cost.flops_per_row:
            points.append(ScatterPoint(entry.name, entry.is_focus, log10(size), entry.value))
    if len(points) < 2:
        return Markup("")
    axes = axes_over(points)
    spoken = f"Value against size, smallest first: {in_order(points)}"
    drawn = plot(
        points,
        axes,
        size_labels(axes.x),
        ("parameters without embeddings, log scale", spoken),
        maximize=record.maximize,
        class_="picture",
    )
    measure = record_facts.capitalized(record_facts.headline_in_words(record))
    heading = html.tag("h3", f"{measure} on {'test' if split == 'test' else 'validation'} and size")
    legend = "Filled: no other arm is both smaller and better. Ring: another arm is."
    if not all(sides_of(points, axes)):
        legend += " Point at a dot without a name to see it."
    return html.join([heading, html.scroll("Value against size", drawn), html.note(legend)])
