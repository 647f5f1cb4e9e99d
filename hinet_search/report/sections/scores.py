"""Scores: what the highest scores of a task hold, how scores spread, and whether they are right.

Shape legend: B bins of rows by ascending score, E edges.
"""

from collections.abc import Iterator, Sequence
from math import exp, log

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from hinet_search.report import html, numbers
from hinet_search.report.figures import (
    Axis,
    CostPoint,
    band,
    dots,
    grid,
    line,
    plot_box,
    svg,
    x_label,
)
from hinet_search.report.sections import Card, NotApplicable
from hinet_search.report.shipping import calibration_of_shipped
from hinet_search.results.calibration_records import ScoreBins, first_rows
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import in_words, title

ORDER = 21
TOP = 0.1  # of the rows, whose share of the labels is named
NUM_BARS = 30
NUM_DOTS = 10
UNIT = Axis(0.0, 1.0)
PROBABILITIES = (0.0001, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999)
LEGEND = (
    "Left: the share of all positives, or of the sum of amounts, that rows with the highest scores "
    "hold; the straight line is a random order. Middle: how scores spread over all rows (grey) and "
    "over positives or amounts (blue), both of one area. Right: expected against actual, each dot "
    "a tenth of the rows by score, before calibration (grey) and after it, cross-fitted (blue); "
    "on the line they agree."
)


def build(record: StudyRecord) -> Card:
    """Build three pictures for every task."""
    name, calibration = calibration_of_shipped(record)
    held = []
    pictures = []
    for bins in calibration.bins if calibration else ():
        if not any(bins.labels):
            continue
        share = float(np.interp(TOP, *_gained(bins)))
        held.append(f"{numbers.percent(share)} of {bins.task}")
        is_amount = bins.task in record.data.units
        drawn = html.join([_lift(bins), _spread(bins, is_amount=is_amount), _reliability(bins)])
        pictures += [html.tag("h3", bins.task), html.tag("div", drawn, class_="many three")]
    if not held:
        raise NotApplicable(
            "needs the scores of validation, which are stored once a launch is done; "
            "studies of earlier releases have none"
        )
    heading = f"The {numbers.percent(TOP)} of rows with the highest scores hold {in_words(held)}"
    lead = (
        f"The scores of {title(name)} on validation, of all scenarios together. "
        "The model was chosen on these rows: expect a little less on others."
    )
    body = html.join([*pictures, html.note(LEGEND)])
    return Card("scores", "By cell", heading, lead, body, folded=True)


def _gained(bins: ScoreBins) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return shares of the rows, highest scores first, and the share of labels that they hold."""
    size_B = np.array(bins.sizes)[::-1]
    label_B = np.array(bins.labels)[::-1] * size_B
    rows_E = np.append(0.0, np.cumsum(size_B)) / bins.num_rows
    return rows_E, np.append(0.0, np.cumsum(label_B)) / label_B.sum()


def _lift(bins: ScoreBins) -> Markup:
    rows_E, labels_E = _gained(bins)
    points = list(zip(rows_E.tolist(), labels_E.tolist(), strict=True))
    shapes = [line([(0, 0), (1, 1)], UNIT, UNIT, "ghost"), line(points, UNIT, UNIT, "mid me")]
    below = [x_label(10, "10 %"), x_label(50, "50 %"), x_label(100, "100 %")]
    at_top = numbers.percent(float(np.interp(TOP, rows_E, labels_E)))
    spoken = f"the {numbers.percent(TOP)} of rows with the highest scores hold {at_top}"
    return _plot("Share of labels in the best rows", [grid(UNIT, 4), *below, svg(*shapes)], spoken)


def _spread(bins: ScoreBins, *, is_amount: bool) -> Markup:
    """Draw two densities: rows are taken to spread evenly between the scores that bound a bin."""
    edge_E = np.array([*bins.lowest, bins.highest])
    x_axis = Axis(edge_E[0], max(edge_E[-1], edge_E[0] + 1e-6))
    at = np.linspace(x_axis.low, x_axis.high, NUM_BARS + 1)
    size_B = np.array(bins.sizes, np.float64)
    heights = []
    for weight_B in (size_B, size_B * np.array(bins.labels)):
        total_E = np.append(0.0, np.cumsum(weight_B)) / weight_B.sum()
        heights.append(np.diff(np.interp(at, edge_E, total_E)))
    y_axis = Axis(0.0, max(height.max() for height in heights))
    floor = [(x_axis.low, 0.0), (x_axis.high, 0.0)]
    of_rows, of_labels = heights
    shapes = [
        band(floor, _bars(at, of_rows), x_axis, y_axis, "band"),
        band(floor, _bars(at, of_labels), x_axis, y_axis, "band me"),
    ]
    below = list(_score_labels(x_axis, is_amount=is_amount))
    spoken = "how scores spread over all rows, and over rows weighted by their labels"
    return _plot("Distribution of scores", [*below, svg(*shapes)], spoken)


def _bars(at: NDArray[np.float64], heights: NDArray[np.float64]) -> list[CostPoint]:
    """Return the outline of bars between the points `at`."""
    sides = np.repeat(at, 2)[1:-1]
    return list(zip(sides.tolist(), np.repeat(heights, 2).tolist(), strict=True))


def _score_labels(x_axis: Axis, *, is_amount: bool) -> Iterator[Markup]:
    """Yield expected labels at their scores, which are logits, or logs of amounts."""
    if is_amount:
        for score in x_axis.ticks(3):
            yield x_label(x_axis.place(score), numbers.compact(exp(score)))
        return
    for probability in PROBABILITIES:
        score = log(probability / (1 - probability))
        if x_axis.low <= score <= x_axis.high:
            yield x_label(x_axis.place(score), numbers.plain(probability, 4))


def _reliability(bins: ScoreBins) -> Markup:
    size_B = np.array(bins.sizes)
    before = _tenths(size_B, bins.expected)
    after = _tenths(size_B, bins.calibrated)
    labels = _tenths(size_B, bins.labels)
    axis = Axis(0.0, 1.05 * max(*before, *after, *labels))
    shapes = [
        line([(0, 0), (axis.high, axis.high)], axis, axis, "ghost"),
        dots(zip(before, labels, strict=True), axis, axis, "dots wide"),
        dots(zip(after, labels, strict=True), axis, axis, "dots me"),
    ]
    values = axis.ticks(3)
    below = map(x_label, map(axis.place, values), numbers.ticks(values))
    highest = f"expected {numbers.metric(after[-1])}, actual {numbers.metric(labels[-1])}"
    content = [grid(axis, 3), *below, svg(*shapes)]
    return _plot("Expected and actual", content, f"in the highest tenth {highest}")


def _tenths(size_B: NDArray[np.int64], mean_B: Sequence[float]) -> list[float]:
    """Return the mean over the rows of every tenth of the bins; with fewer than ten, of each."""
    first = first_rows(len(size_B), min(NUM_DOTS, len(size_B)))
    total = np.add.reduceat(size_B * np.array(mean_B), first)
    means: list[float] = (total / np.add.reduceat(size_B, first)).tolist()
    return means


def _plot(heading: str, content: list[Markup], spoken: str) -> Markup:
    return html.tag("div", html.tag("h3", heading), plot_box(content, spoken))
