"""Shipping: what a study can ship, and which of it to take.

A study can ship an arm, a student or its ensemble. They are one family: validation chooses, test
rules out what it shows to be worse, and what costs more must be shown to be better on test.

Without serving limits one model is taken, by the rules of winner.py. The ensemble is not, however
good: it costs as much as all of its members, and nothing says that this may be spent.

Serving limits say what may be spent. Whatever meets them is compared, the ensemble included, and
the best is taken (best_model.py); no cheaper one replaces it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite
from statistics import fmean
from typing import Literal

from hinet_search.results.best_model import Best, best_model, valid_value
from hinet_search.results.ensemble_records import ENSEMBLE, RunKey
from hinet_search.results.finalist_values import (
    chosen,
    headline,
    headline_by_seed,
    mean_of,
    objective_by_seed,
    values_by,
)
from hinet_search.results.records import ArmRecord, FinalistRecord, ServingCost
from hinet_search.results.statistics.paired_difference import magnitude
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.taught_contrasts import gain_of_ensemble
from hinet_search.results.verdict import Verdict, in_words, title, verdict
from hinet_search.results.winner import NOTHING_TESTED, single_model

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
    offers = []
    for arm in record.arms_and_students:
        finalist = chosen(arm)
        if finalist is not None:
            offers.append(_single(record, arm, finalist))
    ensemble = record.ensemble(ENSEMBLE)
    if ensemble is not None:
        runs = [member.run for member in ensemble.members]
        test = values_by(headline(record.objective))(ensemble.test_cells or ())
        offers.append(_average(record, ENSEMBLE, runs, ensemble.honest_value, test))
    if record.budget.serving.are_set:
        name, why = _within_limits(record, outcome, offers)
    else:
        model, why = single_model(record, outcome)
        name = model.name if model else None
    taken = next((offer for offer in offers if offer.name == name), None)
    return Shipment(tuple(offers), taken, why)


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


def serving_cost(record: StudyRecord, runs: Sequence[RunKey]) -> ServingCost:
    """Return what all runs together cost."""
    finalists = {}
    for arm in record.arms_and_students:
        for finalist in arm.finalists:
            finalists[arm.name, finalist.trial_number] = finalist
    costs = [finalists[run.arm, run.trial_number].cost for run in runs]
    times = [cost.milliseconds_per_100 for cost in costs]
    known = [time for time in times if time is not None]
    return ServingCost(
        flops_per_row=sum(cost.flops_per_row for cost in costs),
        milliseconds_per_100=sum(known) if len(known) == len(times) else None,
    )


def _single(record: StudyRecord, arm: ArmRecord, finalist: FinalistRecord) -> Offer:
    """Return the offer of an arm or student."""
    on_test = headline_by_seed(record, finalist, "test").values()
    return Offer(
        arm.name,
        "student" if arm.student_of else "arm",
        fmean(objective_by_seed(record, finalist, "valid").values()),
        mean_of(on_test),
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


def _within_limits(
    record: StudyRecord, outcome: Verdict, offers: Sequence[Offer]
) -> tuple[str | None, str]:
    """Take the best offer that meets the limits, or name the nearest.

    Models are judged among themselves: one that cannot be served rules out none.
    """
    meeting = {offer.name: offer for offer in offers if offer.meets_limits}
    if not meeting:
        return None, _nearest(record, offers)
    arms = tuple(arm for arm in record.arms if arm.name in meeting)
    students = tuple(student for student in record.students if student.name in meeting)
    among = replace(record, arms=arms, students=students)
    if len(arms) < len(record.arms):
        outcome = verdict(among)
    best = best_model(among, outcome, besides=int(ENSEMBLE in meeting))
    if best is None:
        return None, NOTHING_TESTED
    name = best.model.name
    why = best.why
    if ENSEMBLE in meeting:
        name, why = _ensemble_or(record, best, meeting[ENSEMBLE])
    count = f"{len(meeting)} of {len(offers)}" if len(meeting) < len(offers) else "all"
    return name, f"the best within the serving limits, which {count} meet ({why})"


def _ensemble_or(record: StudyRecord, best: Best, offer: Offer) -> tuple[str, str]:
    """Take the ensemble instead of the best model, if it earns its cost, and say why.

    It costs more than each of its members, so it must be better on validation and shown to be
    better on test, than this model and than the best arm. Where too few seeds or no users show
    nothing, it must not be behind them on test.
    """
    ensemble = record.ensemble(ENSEMBLE)
    assert ensemble is not None, "it is offered"
    size = record.sign * (offer.valid - valid_value(record, best.model))
    if size <= 0:
        return best.model.name, best.why
    ahead = f"{magnitude(size)} ahead of {title(best.model.name)} on validation"
    gains = [gain_of_ensemble(record, ensemble, each) for each in best.references]
    if all(gain and gain.mean > 0 and gain.p < best.level for gain in gains):
        over = in_words([title(each.name) for each in best.references])
        return offer.name, f"{ahead}, and shown to be better than {over} on test"
    if None in gains and not _is_behind_on_test(record, offer, best):
        reason = "where too few seeds or no users show more"
        return offer.name, f"{ahead}, and not behind on test, {reason}"
    return best.model.name, (
        f"{best.why}; {title(ENSEMBLE)} is {magnitude(size)} ahead of it on validation, but costs "
        f"as much as {offer.members} models and is not shown to be better on test"
    )


def _is_behind_on_test(record: StudyRecord, offer: Offer, best: Best) -> bool:
    """Whether the ensemble has a worse value on test than the best model or the best arm."""
    for model in best.references:
        finalist = chosen(model)
        single = _single(record, model, finalist) if finalist else None
        if offer.test is None:
            return True
        if single and single.test is not None and record.sign * (offer.test - single.test) < 0:
            return True
    return False


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
    limits = record.budget.serving
    remedies = []
    most_flops = limits.max_flops_per_row
    most_time = limits.max_ms_per_100_rows
    if most_flops is not None and nearest.flops_per_row > most_flops:
        remedies.append(f"`serving.max_flops_per_row` to {nearest.flops_per_row:,}")
    if most_time is not None and (nearest.milliseconds or 0.0) > most_time:
        remedies.append(f"`serving.max_ms_per_100_rows` to {nearest.milliseconds:.3g}")
    return (
        f"nothing meets the serving limits; {title(nearest.name)} is nearest and takes "
        f"{nearest.share:.2f} times what they allow: search smaller models, "
        f"or raise {' and '.join(remedies)}"
    )
