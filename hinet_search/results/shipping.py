"""Shipping: what a study can ship, and which of it to take.

A study can ship an arm, a student or its ensemble. They are one family: validation chooses, test
rules out what it shows to be worse, and what costs more must be shown to be better on test.

Without serving limits one model is taken: the best one (best_model.py), or a cheaper one whose loss
is shown to be below the study's margin. No significant difference between two models is no such
evidence: there may just be too few seeds. The loss counts from the best model and from the best
arm, which is another one if a student took its place: the losses of two steps would add up. Of the
models that cost nearly as little as the cheapest, the best on validation is taken. The ensemble is
not, however good: it costs as much as all of its members, and nothing says that this may be spent.

Serving limits say what may be spent. Whatever meets them is compared, the ensemble included, and
the best is taken; no cheaper one replaces it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import isfinite
from statistics import fmean
from typing import Literal

from hinet_search.results.best_model import TIME, Best, best_model, gain_of, percent
from hinet_search.results.contrasts import gain_of_ensemble
from hinet_search.results.ensemble_records import ENSEMBLE, RunKey
from hinet_search.results.finalist_values import (
    arm_values,
    best_on_validation,
    chosen,
    headline,
    headline_by_seed,
    mean_of,
    objective_by_seed,
    values_by,
)
from hinet_search.results.objectives import objective_named
from hinet_search.results.records import ArmRecord, Cost, ServingCost
from hinet_search.results.statistics.paired_difference import magnitude
from hinet_search.results.statistics.simultaneous import level_at
from hinet_search.results.statistics.welch import SEEDS_FOR_A_CLAIM, Estimate
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import Verdict, title, titles, verdict

NOTHING_TESTED = "no finalist is opened on test yet"
TOO_FEW = f"fewer than {SEEDS_FOR_A_CLAIM} seeds (`finalists.seeds`) decide nothing"

Kind = Literal["arm", "student", "ensemble"]


@dataclass(frozen=True)
class Offer:
    """Something that a study can ship.

    `valid` is the study's objective on validation, `test` the measure of the verdict on test: means
    over seeds for one model. An ensemble costs as much as all members together;
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
            kind: Kind = "student" if arm.student_of else "arm"
            valid = fmean(objective_by_seed(record, finalist, "valid").values())
            test = mean_of(headline_by_seed(record, finalist, "test").values())
            offers.append(_offer(record, arm.name, kind, valid, test, finalist.cost))
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


def decided(record: StudyRecord, outcome: Verdict) -> Shipment:
    """Return the shipment, with nothing to take where too few seeds decide nothing."""
    shipped = shipment(record, outcome)
    if shipped.taken is not None and outcome.has_few_seeds:
        return replace(shipped, taken=None, why=TOO_FEW)
    return shipped


def ensembles_by_size(record: StudyRecord) -> tuple[Offer, ...]:
    """Return the best ensembles of two and more runs with their cross-fitted values.

    None of them is an offer by itself; they show what more members bring.
    """
    ensemble = record.ensemble(ENSEMBLE)
    if ensemble is None:
        return ()
    offers = []
    for size in ensemble.sizes:
        if len(size.runs) > 1 and size.cross_fitted is not None:
            name = f"{len(size.runs)} runs"
            offers.append(_average(record, name, size.runs, size.cross_fitted, None))
    return tuple(offers)


def shown_better(record: StudyRecord, offers: Sequence[Offer]) -> set[tuple[str, str]]:
    """Return the pairs of titles of which test shows the first to be better than the second.

    The level of a pair holds together with all others of one offer.
    """
    level = level_at(record.looks) / max(1, len(offers) - 1)
    models = {arm.name: arm for arm in record.arms_and_students}
    ensemble = record.ensemble(ENSEMBLE)
    shown = set()
    by_kind = sorted(offers, key=lambda offer: offer.kind != "ensemble")
    for left, right in combinations([offer.name for offer in by_kind], 2):
        if left == ENSEMBLE and ensemble is not None:
            gain = gain_of_ensemble(record, ensemble, models[right])
        else:
            gain = gain_of(record, models[left], models[right])
        if gain is not None and gain.p < level:
            pair = (left, right) if gain.mean > 0 else (right, left)
            shown.add((title(pair[0]), title(pair[1])))
    return shown


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


def _average(
    record: StudyRecord, name: str, runs: Sequence[RunKey], valid: float, test: float | None
) -> Offer:
    cost = serving_cost(record, runs)
    return replace(_offer(record, name, "ensemble", valid, test, cost), members=len(runs))


def _offer(
    record: StudyRecord,
    name: str,
    kind: Kind,
    valid: float,
    test: float | None,
    cost: Cost | ServingCost,
) -> Offer:
    share = record.budget.serving.share(cost)
    return Offer(name, kind, valid, test, cost.milliseconds_per_100, cost.flops_per_row, share)


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
        name, why = _ensemble_or(record, best, meeting)
    count = f"{len(meeting)} of {len(offers)}" if len(meeting) < len(offers) else "all"
    return name, f"the best within the serving limits, which {count} meet ({why})"


def _ensemble_or(record: StudyRecord, best: Best, offers: Mapping[str, Offer]) -> tuple[str, str]:
    """Take the ensemble instead of the best model, if it earns its cost, and say why.

    It costs more than each of its members, so it must be better on validation and shown to be
    better on test, than this model and than the best arm. Where too few seeds or no users show
    nothing, it must not be behind them on test.
    """
    ensemble = record.ensemble(ENSEMBLE)
    assert ensemble is not None, "it is offered"
    offer = offers[ENSEMBLE]
    size = record.sign * (offer.valid - offers[best.model.name].valid)
    if size <= 0:
        return best.model.name, best.why
    ahead = f"{magnitude(size)} ahead of {title(best.model.name)} on validation"
    gains = [gain_of_ensemble(record, ensemble, each) for each in best.references]
    if all(gain and gain.mean > 0 and gain.p < best.level for gain in gains):
        over = titles(each.name for each in best.references)
        return offer.name, f"{ahead}, and shown to be better than {over} on test"
    is_behind = offer.test is None
    for each in best.references:
        test = offers[each.name].test
        if test is not None and offer.test is not None:
            is_behind |= record.sign * (offer.test - test) < 0
    if None in gains and not is_behind:
        reason = "where too few seeds or no users show more"
        return offer.name, f"{ahead}, and not behind on test, {reason}"
    return best.model.name, (
        f"{best.why}; {title(ENSEMBLE)} is {magnitude(size)} ahead of it on validation, but costs "
        f"as much as {offer.members} models and is not shown to be better on test"
    )


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


@dataclass(frozen=True)
class CheaperModel:
    """A model that costs less than the best one, with its gains over the best and the best arm.

    With 95 % confidence all cheaper models gain at least their `least` (a loss is a negative gain).
    `level` is the level of a single model.
    """

    model: ArmRecord
    share: float  # of the best model's cost
    gains: tuple[Estimate, ...]
    level: float

    @property
    def smallest(self) -> Estimate:
        """The gain whose one-sided interval reaches lowest."""
        return min(self.gains, key=lambda gain: gain.interval(2 * self.level)[0])

    @property
    def least(self) -> float:
        """The lower end of the one-sided interval of the smallest gain."""
        return self.smallest.interval(2 * self.level)[0]

    @property
    def is_worse(self) -> bool:
        """Whether test shows it to be worse, by however little."""
        return any(gain.mean < 0 and gain.p < self.level for gain in self.gains)

    def is_within(self, margin: float) -> bool:
        """Whether it is shown to lose less than the margin, and not shown to be worse."""
        return self.least > -margin and not self.is_worse


def single_model(record: StudyRecord, outcome: Verdict) -> tuple[ArmRecord | None, str]:
    """Return the model to take and the reason; None while no finalist is opened on test."""
    best = best_model(record, outcome)
    if best is None:
        return None, NOTHING_TESTED
    if not outcome.contrasts and not record.students:
        return best.model, best.why
    # In units of the headline, whose value on test is the best one's.
    reached = mean_of(arm_values(record, best.model).values) or 0.0
    margin = objective_named(record.objective).margin_at(record.budget.margin, reached)
    cheaper = cheaper_than(record, outcome, best)
    within = {each.model.name: each for each in cheaper if each.is_within(margin)}
    if within:
        # Of those that cost nearly the least, the best on validation.
        cheapest = min(within.values(), key=lambda each: each.share).model
        models = [each.model for each in within.values()]
        alike = [model for model in models if not best.costs.is_cheaper(cheapest, than=model)]
        taken = best_on_validation(record, alike) or cheapest
        return taken, _within_margin_in_words(within[taken.name], best, margin)
    remarks = f"{_ahead_on_test(record, best, margin)}{_not_shown(cheaper, best, margin)}"
    return best.model, f"{best.why}{remarks}"


def cheaper_than(record: StudyRecord, outcome: Verdict, best: Best) -> tuple[CheaperModel, ...]:
    """Return the models that may take the best one's place and cost less, each with its gains.

    Models whose difference cannot be a claim are left out, and arms of a study without a verdict.
    Intervals have the level for all opened models that cost less.
    """
    costs = best.costs
    others = [each for each in best.opened if costs.is_cheaper(each, than=best.model)]
    standing = {each.name for each in best.standing if each.student_of or outcome.contrasts}
    candidates = []
    for model in others:
        references = [each for each in best.references if each.name != model.name]
        gains = [gain_of(record, model, reference) for reference in references]
        known = tuple(gain for gain in gains if gain is not None)
        share = costs.share(model, best.model)
        if model.name in standing and len(known) == len(gains) and share is not None:
            level = level_at(record.looks) / len(others)
            candidates.append(CheaperModel(model, share, known, level))
    return tuple(candidates)


def _within_margin_in_words(taken: CheaperModel, best: Best, margin: float) -> str:
    """Say why the cheaper model is taken instead of the best one."""
    over = [each.name for each in best.references if each.name != taken.model.name]
    against = f" against {titles(over)}" if len(over) > 1 else ""
    loss = f"nothing{against}"
    if taken.least < 0:
        size = magnitude(taken.least)
        loss = f"at most {size}{against}, less than the margin of {margin:.3g}"
    return (
        f"it {_needs(taken, best)} the {best.costs.measure} of {title(best.model.name)} "
        f"({best.why}) and is shown to lose {loss}"
    )


def _needs(cheaper: CheaperModel, best: Best) -> str:
    verb = "takes" if best.costs.measure == TIME else "needs"
    return f"{verb} {percent(cheaper.share)} of"


def _not_shown(cheaper: Sequence[CheaperModel], best: Best, margin: float) -> str:
    """Name the cheaper model that is closest to the margin, and say what is missing."""
    in_question = [each for each in cheaper if not each.is_worse or each.least > -margin]
    if not in_question:
        return ""
    nearest = max(in_question, key=lambda candidate: candidate.least)
    text = f"; {title(nearest.model.name)} {_needs(nearest, best)} its {best.costs.measure}, but "
    if nearest.least > -margin:
        return f"{text}is shown to be worse on test"
    more = ""
    if nearest.smallest.mean < -margin:
        more = f" (its mean is {magnitude(nearest.smallest.mean)} lower)"
    return (
        f"{text}may lose up to {magnitude(nearest.least)}, "
        f"more than the margin of {margin:.3g}{more}"
    )


def _ahead_on_test(record: StudyRecord, best: Best, margin: float) -> str:
    """Name the model that is ahead on test by more than the margin, if any.

    It is not shown to be better.
    """
    furthest = (margin, "")
    for other in best.standing:
        gain = gain_of(record, other, best.model)
        if gain is not None and gain.mean > margin and other.name != best.model.name:
            furthest = max(furthest, (gain.mean, other.name))
    mean, name = furthest
    if not name:
        return ""
    return f"; {title(name)} is {magnitude(mean)} ahead of it on test, which chance allows"
