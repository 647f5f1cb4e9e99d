"""Shipping: what a study can ship, and which of it to take.

A study can ship an arm, a student or its ensemble. Validation chooses; test only rules out: arms
by the rules of winner.py, and students that are shown to be worse than their own arm.

Without serving limits one model is taken: the recommended arm, or a student that is better on
validation. A cheaper one replaces it by the rule of winner.py. The ensemble is not taken, however
good: it costs as much as all of its members, and nothing says that this may be spent.

Serving limits say what may be spent. Whatever meets them is compared, the ensemble included, and
the best on validation is taken.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from statistics import fmean
from typing import Literal

from hinet_search.results.contrasts import claims
from hinet_search.results.ensemble_records import ENSEMBLE, RunKey
from hinet_search.results.finalist_values import (
    best_on_validation,
    chosen,
    headline,
    headline_by_seed,
    objective_by_seed,
    values_by,
)
from hinet_search.results.records import ArmRecord, Cost, FinalistRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.taught_contrasts import student_contrasts
from hinet_search.results.verdict import Verdict, title, verdict
from hinet_search.results.winner import (
    cheaper_than,
    cheapest_within,
    is_fully_tested,
    margin_of,
    not_ruled_out,
    recommended_arm,
    within_margin_in_words,
)

NOTHING_TESTED = "no finalist is opened on test yet"

Kind = Literal["arm", "student", "ensemble"]


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
    def meets_limits(self) -> bool:
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
    offers = tuple(_offers(record))
    if record.budget.serving.are_set:
        name, why = _within_limits(record, outcome, offers)
    else:
        name, why = _single_model(record, outcome)
    return Shipment(offers, next((offer for offer in offers if offer.name == name), None), why)


def ensembles_by_size(record: StudyRecord) -> tuple[Offer, ...]:
    """Return the best ensembles of two and more runs with their cross-fitted values.

    None of them is an offer by itself; they show what more members bring.
    """
    ensemble = record.ensemble(ENSEMBLE)
    offers = []
    for size in ensemble.sizes if ensemble else ():
        if len(size.runs) > 1 and size.cross_fitted is not None:
            name = f"{len(size.runs)} runs"
            offers.append(_average(record, name, size.runs, size.cross_fitted, None))
    return tuple(offers)


def serving_cost(record: StudyRecord, runs: Sequence[RunKey]) -> Cost:
    """Return the cost of a run, with FLOPs and milliseconds of all runs together.

    Milliseconds are None if a run was not timed.
    """
    costs = [_finalist(record, run).cost for run in runs]
    times = [cost.milliseconds_per_100 for cost in costs]
    known = [time for time in times if time is not None]
    return replace(
        costs[0],
        flops_per_row=sum(cost.flops_per_row for cost in costs),
        milliseconds_per_100=sum(known) if len(known) == len(times) else None,
    )


def _offers(record: StudyRecord) -> Iterable[Offer]:
    for arm in record.arms_and_students:
        finalist = chosen(arm)
        if finalist is not None:
            yield _single(record, arm, finalist)
    ensemble = record.ensemble(ENSEMBLE)
    if ensemble is not None:
        runs = [member.run for member in ensemble.members]
        test = values_by(headline(record.objective))(ensemble.test_cells or ())
        yield _average(record, ENSEMBLE, runs, ensemble.honest_value, test)


def _single(record: StudyRecord, arm: ArmRecord, finalist: FinalistRecord) -> Offer:
    on_test = list(headline_by_seed(record, finalist, "test").values())
    return Offer(
        arm.name,
        "student" if arm.student_of else "arm",
        fmean(objective_by_seed(record, finalist, "valid").values()),
        fmean(on_test) if on_test else None,
        finalist.cost.milliseconds_per_100,
        finalist.cost.flops_per_row,
        record.budget.serving.share(finalist.cost),
    )


def _average(
    record: StudyRecord, name: str, runs: Sequence[RunKey], valid: float, test: float | None
) -> Offer:
    cost = serving_cost(record, runs)
    return Offer(
        name,
        "ensemble",
        valid,
        test,
        cost.milliseconds_per_100,
        cost.flops_per_row,
        record.budget.serving.share(cost),
        members=len(runs),
    )


def _finalist(record: StudyRecord, run: RunKey) -> FinalistRecord:
    return next(
        finalist
        for arm in record.arms_and_students
        if arm.name == run.arm
        for finalist in arm.finalists
        if finalist.trial_number == run.trial_number
    )


def _single_model(record: StudyRecord, outcome: Verdict) -> tuple[str | None, str]:
    """Take the recommended arm or a student, and say why."""
    arm, why = recommended_arm(record, outcome)
    if arm is None:
        return None, NOTHING_TESTED
    among = [arm, *_students(record)]
    best = best_on_validation(record, among)
    assert best is not None, "a recommended arm has a finalist"
    if best is not arm:
        gain = f"{_gap(record, best, arm):.4f}".lstrip("0")
        why = f"{gain} better on validation than {title(arm.name)}, the recommended arm"
    margin = margin_of(record, best)
    cheapest = cheapest_within(cheaper_than(record, best, among, others=len(among) - 1), margin)
    if cheapest is None:
        return best.name, why
    return cheapest.arm.name, within_margin_in_words(cheapest, best, why, margin)


def _within_limits(
    record: StudyRecord, outcome: Verdict, offers: Sequence[Offer]
) -> tuple[str | None, str]:
    """Take the best offer on validation that meets the limits, or name the nearest."""
    meeting = [offer for offer in offers if offer.meets_limits]
    if not meeting:
        return None, _nearest(record, offers)
    candidates = _standing(record, outcome, {offer.name for offer in meeting})
    among = [offer for offer in meeting if offer.name in candidates]
    if not among:
        return None, NOTHING_TESTED
    sign = 1.0 if record.maximize else -1.0
    best = max(among, key=lambda offer: sign * offer.valid)
    count = f"{len(meeting)} of {len(offers)}" if len(meeting) < len(offers) else "all"
    return best.name, f"the best on validation within the serving limits, which {count} meet"


def _standing(record: StudyRecord, outcome: Verdict, names: set[str]) -> set[str]:
    """Return those names that are opened on test and not ruled out by it.

    Arms are judged among themselves: one that cannot be served rules out none.
    """
    servable = tuple(arm for arm in record.arms if arm.name in names)
    among = record
    if len(servable) < len(record.arms):
        among = replace(record, arms=servable)
        outcome = verdict(among)
    arms = [arm.name for arm in not_ruled_out(among, outcome)[0]]
    ensemble = record.ensemble(ENSEMBLE)
    is_tested = ensemble is not None and ensemble.test_cells is not None
    students = [student.name for student in _students(record)]
    return names & {*arms, *students, *([ENSEMBLE] if is_tested else [])}


def _students(record: StudyRecord) -> list[ArmRecord]:
    """Return the students that are opened on test and not shown to be worse than their arm."""
    worse = {contrast.arm for contrast in claims(student_contrasts(record), "worse")}
    return [
        student
        for student in record.students
        if is_fully_tested(student) and student.name not in worse
    ]


def _nearest(record: StudyRecord, offers: Sequence[Offer]) -> str:
    """Say by how much the nearest offer misses the limits, and which limits would admit it."""
    nearest = min(offers, key=lambda offer: offer.share, default=None)
    if nearest is None:
        return "no finalist is trained yet"
    if not isfinite(nearest.share):
        return (
            "the time to score 100 rows is not known for any finalist, so none is known to meet "
            "`serving.max_ms_per_100_rows`; launch the study again, which measures it"
        )
    limits, remedies = record.budget.serving, []
    most_flops, most_time = limits.max_flops_per_row, limits.max_ms_per_100_rows
    if most_flops is not None and nearest.flops_per_row > most_flops:
        remedies.append(f"`serving.max_flops_per_row` to {nearest.flops_per_row:,}")
    if most_time is not None and (nearest.milliseconds or 0.0) > most_time:
        remedies.append(f"`serving.max_ms_per_100_rows` to {nearest.milliseconds:.3g}")
    return (
        f"nothing meets the serving limits; {title(nearest.name)} is nearest and takes "
        f"{nearest.share:.2f} times what they allow: search smaller models, "
        f"or raise {' and '.join(remedies)}"
    )


def _gap(record: StudyRecord, left: ArmRecord, right: ArmRecord) -> float:
    """Return the difference of two arms with finalists in the objective on validation."""
    finalists = [finalist for arm in (left, right) if (finalist := chosen(arm)) is not None]
    ours, theirs = (
        fmean(objective_by_seed(record, finalist, "valid").values()) for finalist in finalists
    )
    return abs(ours - theirs)
