"""Shipping: what a study can ship, and which of it to take.

A study can ship the recommended arm, its students and its ensemble. Within the serving limits the
best on validation is taken; without limits, the best single model, as an ensemble costs as much as
all of its members. A cheaper single model is preferred by the rule of results/winner.py.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from hinet_search.results.ensemble_records import ENSEMBLE, EnsembleRecord, RunKey
from hinet_search.results.finalist_values import (
    chosen,
    headline,
    headline_by_seed,
    objective_by_seed,
    values_by,
)
from hinet_search.results.records import ArmRecord, Cost, FinalistRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import Verdict, title
from hinet_search.results.winner import cheaper_than, is_fully_tested, recommended_arm

Kind = Literal["model", "student", "ensemble"]


@dataclass(frozen=True)
class Offer:
    """Something that a study can ship.

    `valid` is the study's objective on validation, `test` the measure of the verdict on test: means
    over seeds for one model. The costs of an ensemble are those of all members together;
    milliseconds are for 100 rows and None if a member was not timed. `share` is that of the serving
    limits, 0 without limits.
    """

    name: str
    kind: Kind
    valid: float
    test: float | None
    milliseconds: float | None
    flops_per_row: int
    share: float
    members: int = 1

    @property
    def within_limits(self) -> bool:
        """Whether it can be served."""
        return self.share <= 1


@dataclass(frozen=True)
class Shipment:
    """The offers of a study, the one to take, and why; None while there is none to take."""

    offers: tuple[Offer, ...]
    taken: Offer | None
    why: str


def shipment(record: StudyRecord, outcome: Verdict) -> Shipment:
    """Return what the study can ship and what to take."""
    arm, why = recommended_arm(record, outcome)
    singles = [_single(record, tested) for tested in (*record.arms, *record.students)]
    tested = [offer for offer in singles if offer is not None]
    ensemble = record.ensemble(ENSEMBLE)
    offers = (*tested, *([_average(record, ensemble)] if ensemble else []))
    if arm is None:
        return Shipment(offers, None, why)
    if record.budget.serving.are_set:
        return Shipment(offers, *_within_limits(record, offers))
    return Shipment(offers, *_single_model(record, tested, arm, why))


def flops_of_members(record: StudyRecord, runs: Sequence[RunKey]) -> int:
    """Return the FLOPs per row of all these runs together."""
    return sum(_cost_of(record, run).flops_per_row for run in runs)


def milliseconds_of_members(record: StudyRecord, runs: Sequence[RunKey]) -> float | None:
    """Return the milliseconds for 100 rows of all these runs together; None if one is unknown."""
    times = [_cost_of(record, run).milliseconds_per_100 for run in runs]
    known = [time for time in times if time is not None]
    return sum(known) if len(known) == len(times) else None


def _single(record: StudyRecord, arm: ArmRecord) -> Offer | None:
    """Return the offer of an arm or student; None unless its finalist was opened on test."""
    finalist = chosen(arm)
    if finalist is None or not is_fully_tested(arm):
        return None
    cost = finalist.cost
    return Offer(
        arm.name,
        "student" if arm.student_of else "model",
        _mean(objective_by_seed(record, finalist, "valid").values()) or 0.0,
        _mean(headline_by_seed(record, finalist, "test").values()),
        cost.milliseconds_per_100,
        cost.flops_per_row,
        record.budget.serving.share(cost),
    )


def _average(record: StudyRecord, ensemble: EnsembleRecord) -> Offer:
    runs = [member.run for member in ensemble.members]
    cells, limits = ensemble.test_cells, record.budget.serving
    return Offer(
        ENSEMBLE,
        "ensemble",
        ensemble.honest_value,
        values_by(headline(record.objective))(cells) if cells else None,
        milliseconds_of_members(record, runs),
        flops_of_members(record, runs),
        sum(limits.share(_cost_of(record, run)) for run in runs),
        members=len(runs),
    )


def _within_limits(record: StudyRecord, offers: Sequence[Offer]) -> tuple[Offer | None, str]:
    """Take the best offer on validation that meets the limits, or say by how much all miss them."""
    meeting = [offer for offer in offers if offer.within_limits]
    if not meeting:
        nearest = min(offers, key=lambda offer: offer.share)
        return None, (
            f"no model meets the serving limits: {title(nearest.name)} is nearest and needs "
            f"{nearest.share:.1f} times what they allow"
        )
    best = _best(record, meeting)
    left = len(offers) - len(meeting)
    others = f"; {left} of {len(offers)} do not meet them" if left else ""
    return best, f"the best on validation within the serving limits{others}"


def _single_model(
    record: StudyRecord, singles: Sequence[Offer], arm: ArmRecord, why: str
) -> tuple[Offer | None, str]:
    """Take the recommended arm, or a student that is better than it on validation."""
    recommended = next(offer for offer in singles if offer.name == arm.name)
    students = [offer for offer in singles if offer.kind == "student"]
    best = _best(record, [recommended, *students])
    if best is recommended:
        return recommended, why
    by_name = {student.name: student for student in record.students}
    among = [by_name[offer.name] for offer in students]
    cheaper = cheaper_than(record, by_name[best.name], among, others=max(1, len(among) - 1))
    within_margin = [each for each in cheaper if each.least > -record.budget.margin]
    if within_margin:
        cheapest = min(within_margin, key=lambda each: each.share)
        offer = next(offer for offer in students if offer.name == cheapest.arm.name)
        return offer, (
            f"a student with {100 * cheapest.share:.0f} % of the FLOPs of {title(best.name)}, "
            f"than which it is shown to lose less than the margin of {record.budget.margin:g}"
        )
    gain = abs(best.valid - recommended.valid)
    return best, (
        f"a student that is {gain:.4f} better on validation than {title(arm.name)}, "
        "the recommended arm"
    )


def _best(record: StudyRecord, offers: Sequence[Offer]) -> Offer:
    sign = 1.0 if record.maximize else -1.0
    return max(offers, key=lambda offer: sign * offer.valid)


def _cost_of(record: StudyRecord, run: RunKey) -> Cost:
    return _finalist(record, run).cost


def _finalist(record: StudyRecord, run: RunKey) -> FinalistRecord:
    return next(
        finalist
        for arm in (*record.arms, *record.students)
        if arm.name == run.arm
        for finalist in arm.finalists
        if finalist.trial_number == run.trial_number
    )


def _mean(values: Iterable[float]) -> float | None:
    numbers = list(values)
    return fmean(numbers) if numbers else None
