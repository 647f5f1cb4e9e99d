"""Freshness: how fresh label statistics are in the figures, and what the same models have without.

The weights are the same, and only statistics of test rows differ. So this is what a model has that
is served with statistics that are never counted again. It is told and not claimed, as users are not
resampled.
"""

from collections.abc import Iterator
from statistics import fmean

from markupsafe import Markup

from hinet_search.report.card import Card, NotApplicable
from hinet_search.report.drawing import numbers
from hinet_search.report.drawing.html import column, head, join, note, row, scroll, table, tag
from hinet_search.report.facts import record as record_facts
from hinet_search.results.finalist_values import chosen, headline, values_by
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

ORDER = 48
NOTE = (
    "Frozen: the same weights and the same rows of test, whose statistics count labels up to the "
    "end of validation only. A model that is served has this, or less the older it is, unless its "
    "statistics are counted anew as the study assumes. Means over seeds; no claim is made."
)


def build(record: StudyRecord) -> Card:
    """Build a row for every arm that was opened on test."""
    rows = sorted(_values(record), key=lambda values: values[1], reverse=record.maximize)
    if not rows:
        raise NotApplicable(
            "needs label statistics that are counted anew; `refresh: day` in the data definition"
        )
    name, fresh, frozen = rows[0]
    lead = (
        f"In every figure of this report, {record.data.freshness}. With statistics of the end of "
        f"validation, {title(name)} has {numbers.metric(frozen)} on test in place of "
        f"{numbers.metric(fresh)}."
    )
    heading = "How fresh the inputs must be"
    return Card("freshness", "Search", heading, lead, join([_table(record, rows), note(NOTE)]))


def _is_maximized(record: StudyRecord) -> bool:
    return record.maximize


def _values(record: StudyRecord) -> Iterator[tuple[str, float, float]]:
    """Yield every arm's name, and its mean headline on test, fresh and frozen."""
    measure = values_by(headline(record.objective))
    for arm in record.arms_and_students:
        finalist = chosen(arm)
        if finalist is None or finalist.summary is None:
            continue
        frozen = [measure(cells) for cells in finalist.summary.frozen_test_cells]
        of_seed = {run.seed: measure(run.test_cells or ()) for run in finalist.runs}
        fresh = [of_seed.get(seed) for seed in finalist.summary.seeds]
        pairs = [
            (new, old)
            for new, old in zip(fresh, frozen, strict=False)
            if new is not None and old is not None
        ]
        if pairs:
            yield arm.name, fmean(new for new, _ in pairs), fmean(old for _, old in pairs)


def _table(record: StudyRecord, rows: list[tuple[str, float, float]]) -> Markup:
    measure = record_facts.headline_in_words(record)
    counted = column(join(["Counted anew", tag("br"), tag("small", f"test {measure}")]), "r")
    header = head("Arm", counted, "Frozen", "Difference", numeric_from=1)
    body = [
        row(
            title(name), numbers.metric(fresh), numbers.metric(frozen), numbers.gain(fresh - frozen)
        )
        for name, fresh, frozen in rows
    ]
    return scroll("Arms with fresh and with frozen statistics", table(header, body, class_="cost"))
