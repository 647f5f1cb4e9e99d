"""Experts: whether parallel experts compute different things."""

from collections.abc import Sequence

from markupsafe import Markup

from hinet_search.report.card import Card, NotApplicable
from hinet_search.report.drawing import numbers
from hinet_search.report.drawing.figures import bar
from hinet_search.report.drawing.html import (
    column,
    head,
    join,
    note,
    row,
    scroll,
    table,
    tag,
    unnamed,
)
from hinet_search.report.facts import insight_means
from hinet_search.report.facts import record as record_facts
from hinet_search.report.facts.insight_means import SimilarityMeans
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

ORDER = 42
SAME = 0.95  # two experts with a larger similarity are redundant

CostEntry = tuple[str, SimilarityMeans]  # name of the arm, similarity at one place in its model


def build(record: StudyRecord) -> Card:
    """Build one row per arm and place in its model that has several experts."""
    entries: list[CostEntry] = []
    for arm, finalist in record_facts.finalists(record):
        entries += [(title(arm.name), place) for place in insight_means.similarities(finalist)]
    if not entries:
        raise NotApplicable("needs finalists with parallel experts, trained by this version")
    several = record_facts.has_several_seeds(record)
    method = f"linear CKA{', mean over seeds' if several else ''}"
    lead = (
        f"Similarity of the outputs of two experts on the same validation rows ({method}): "
        "1 means the same up to rotation and scale, 0 nothing in common."
    )
    explained = note(
        "Mean: over all pairs of experts, and over scenarios if each has its own experts. "
        "Most similar: the largest value of any pair, by seed."
    )
    body = join([_table(entries), explained])
    return Card("experts", "Why", _heading(entries), lead, body, half=True)


def _heading(entries: Sequence[CostEntry]) -> str:
    name, place = max(entries, key=lambda entry: entry[1].most)
    if place.most <= SAME:
        return "No two experts compute nearly the same"
    where = f"{place.where}, {numbers.share(place.most)}"
    return f"Two experts of {name} compute nearly the same ({where})"


def _table(entries: Sequence[CostEntry]) -> Markup:
    rows = [
        row(
            join([f"{name} ", tag("code", place.where)]),
            str(place.count),
            bar(place.mean),
            numbers.share(place.mean),
            numbers.share(place.most),
        )
        for name, place in entries
    ]
    mean = column("Mean", "r")
    header = head("Arm and place", "Experts", unnamed("drawn"), mean, "Most similar")
    return scroll("Similarity of experts", table(header, rows, class_="cost"))
