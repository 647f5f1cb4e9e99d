"""Decision: what a study can ship, and which offer to take, by three rules.

An offer is an arm, a student or the ensemble. Validation chooses, test only rules out. All models
that are opened on test, and within the serving limits, are compared with one another: the levels of
the comparisons of one model hold together (Bonferroni), and claims of the verdict count too.

1. The best is the best on validation of what test does not show to be worse: first among the arms,
   then with the students that cost no more than the best arm.
2. What costs more, a student or within serving limits the ensemble, takes its place if it is shown
   to be better than the best model and the best arm, on validation and on test.
3. Without serving limits a model that costs less takes its place if its loss against both is shown
   to be below the study's margin. No significant difference is no such evidence: there may just be
   too few seeds. Of models that cost nearly as little as the cheapest, validation's best is taken.

Serving limits say what may be spent, so no cheaper model replaces the best. Without limits the
ensemble is not taken, however good: it costs as much as all of its members.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from statistics import fmean

from hinet_search.results import decision_words as words
from hinet_search.results.contrasts import gain_of_ensemble, own_arm, student_contrasts
from hinet_search.results.ensemble_records import ENSEMBLE, RunKey
from hinet_search.results.finalist_values import (
    arm_values,
    best_on_validation,
    chosen,
    headline,
    headline_by_seed,
    is_fully_tested,
    mean_of,
    objective_by_seed,
    values_by,
)
from hinet_search.results.objectives import objective_named
from hinet_search.results.opened_models import (
    Best,
    CheaperModel,
    Decision,
    Kind,
    Offer,
    OpenedModels,
)
from hinet_search.results.records import ArmRecord, Cost, ServingCost
from hinet_search.results.serving_costs import cost_of_runs, serving_costs
from hinet_search.results.statistics.paired_difference import gain
from hinet_search.results.statistics.simultaneous import level_at
from hinet_search.results.statistics.welch import SEEDS_FOR_A_CLAIM, claim
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import Verdict, title

NOTHING_TESTED = "no finalist is opened on test yet"
TOO_FEW = f"fewer than {SEEDS_FOR_A_CLAIM} seeds (`finalists.seeds`) decide nothing"


def decision(record: StudyRecord, outcome: Verdict) -> Decision:
    """Return what the study can ship and what to take, however few its seeds."""
    offers = tuple(_offers(record))
    meeting = {offer.name: offer for offer in offers if offer.meets_limits}
    limits = record.budget.serving
    if limits.are_set and not meeting:
        return Decision(offers, None, words.nearest(limits, offers))
    opened = _opened(record, outcome, meeting)
    best = _best(opened, outcome)
    if best is None:
        return Decision(offers, None, NOTHING_TESTED)
    if not limits.are_set:
        name, why = _cheapest(opened, best, outcome)
        return Decision(offers, meeting[name], why)
    taken, why = meeting[best.model.name], best.why
    if ENSEMBLE in meeting:
        taken, why = _ensemble_or(opened, best, meeting)
    count = f"{len(meeting)} of {len(offers)}" if len(meeting) < len(offers) else "all"
    return Decision(
        offers, taken, f"the best within the serving limits, which {count} meet ({why})"
    )


def decided(record: StudyRecord, outcome: Verdict) -> Decision:
    """Return the decision, with nothing to take where too few seeds decide nothing."""
    decided_now = decision(record, outcome)
    if decided_now.taken is not None and outcome.has_few_seeds:
        return replace(decided_now, taken=None, why=TOO_FEW)
    return decided_now


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


def shown_better(
    record: StudyRecord, outcome: Verdict, offers: Sequence[Offer]
) -> set[tuple[str, str]]:
    """Return the pairs of titles of which test shows the first to be better than the second.

    These are the claims of verdict and students, and pairs at a level that holds for all of an
    offer.
    """
    level = level_at(record.looks) / max(1, len(offers) - 1)
    models = {model.name: model for model in record.arms_and_students}
    ensemble = record.ensemble(ENSEMBLE)
    compared = [(outcome.focus or "", each.arm, each.mark) for each in outcome.contrasts]
    for each in student_contrasts(record):
        arm = own_arm(record, models[each.arm])
        compared.append((each.arm, arm.name if arm else "", each.mark))
    by_kind = sorted(offers, key=lambda offer: offer.kind != "ensemble")
    for left, right in combinations([offer.name for offer in by_kind], 2):
        if left == ENSEMBLE and ensemble is not None:
            size = gain_of_ensemble(record, ensemble, models[right])
        else:
            size = claim(arm_values(record, models[left]), arm_values(record, models[right]))
        if size is not None and size.p < level:
            compared.append((left, right, "better" if size.mean > 0 else "worse"))
    shown = {(title(left), title(right)) for left, right, mark in compared if mark == "better"}
    return shown | {
        (title(right), title(left)) for left, right, mark in compared if mark == "worse"
    }


def _offers(record: StudyRecord) -> Iterator[Offer]:
    for model in record.arms_and_students:
        finalist = chosen(model)
        if finalist is not None:
            kind: Kind = "student" if model.student_of else "arm"
            valid = fmean(objective_by_seed(record, finalist, "valid").values())
            test = mean_of(headline_by_seed(record, finalist, "test").values())
            yield _offer(record, model.name, kind, valid, test, finalist.cost)
    ensemble = record.ensemble(ENSEMBLE)
    if ensemble is not None:
        runs = [member.run for member in ensemble.members]
        test = values_by(headline(record.objective))(ensemble.test_cells or ())
        yield _average(record, ENSEMBLE, runs, ensemble.honest_value, test)


def _average(
    record: StudyRecord, name: str, runs: Sequence[RunKey], valid: float, test: float | None
) -> Offer:
    cost = cost_of_runs(record, runs)
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


def _opened(record: StudyRecord, outcome: Verdict, meeting: Collection[str]) -> OpenedModels:
    """Return the models that are fully tested, without arms that the verdict left out."""
    left_out: set[str] = set()
    if outcome.contrasts:
        compared = {outcome.focus, *(contrast.arm for contrast in outcome.contrasts)}
        left_out = {arm.name for arm in record.arms} - compared
    models = tuple(
        model
        for model in filter(is_fully_tested, record.arms_and_students)
        if model.name in meeting and model.name not in left_out
    )
    num_others = len(models) - 1
    if record.budget.serving.are_set:
        num_others += ENSEMBLE in meeting
    level = level_at(record.looks) / max(1, num_others)
    claimed = frozenset(_claimed(record, outcome))
    return OpenedModels(record, models, claimed, level, serving_costs(models))


def _claimed(record: StudyRecord, outcome: Verdict) -> Iterator[tuple[str, str]]:
    """Yield (better, worse) of the claims of the verdict, and of students beside their arms."""
    pairs = [(outcome.focus or "", each.arm, each.mark) for each in outcome.contrasts]
    arm_of = {student.name: own_arm(record, student) for student in record.students}
    for each in student_contrasts(record):
        arm = arm_of[each.arm]
        assert arm is not None, "a contrast of a student has its arm"
        pairs.append((each.arm, arm.name, each.mark))
    for left, right, mark in pairs:
        if mark == "better":
            yield left, right
        elif mark == "worse":
            yield right, left


def _best(opened: OpenedModels, outcome: Verdict) -> Best | None:
    """Apply the first two rules to the models; None without any."""
    arms = [model for model in opened.models if not model.student_of]
    arm = opened.best(arms)
    affordable: list[ArmRecord] = []
    dearer: list[ArmRecord] = []
    for student in opened.models[len(arms) :]:
        is_dearer = arm is not None and opened.costs.is_cheaper(arm, than=student)
        (dearer if is_dearer else affordable).append(student)
    among = [*arms, *affordable]
    model = opened.best(among)
    if model is None:
        return None
    best = Best(model, arm, "", tuple(opened.standing(among)))
    better = [student for student in dearer if _earns_its_cost(opened, student, best)]
    model = best_on_validation(opened.record, [model, *better]) or model
    best = replace(best, model=model, standing=(*best.standing, *better))
    why = words.why_arm(opened, outcome, model, arms)
    if model.student_of:
        why = words.why_student(opened, best)
    return replace(best, why=f"{why}{words.passed_over(opened, best)}")


def _earns_its_cost(opened: OpenedModels, model: ArmRecord, best: Best) -> bool:
    """Whether a model is shown to be better than the best ones, on validation and on test.

    Of several equally good ones, the one that chance favours on validation it favours on test too.
    """
    record = opened.record
    ours = objective_by_seed(record, chosen(model), "valid")
    for other in best.references:
        theirs = objective_by_seed(record, chosen(other), "valid")
        if not ours.keys() & theirs.keys():
            return False
        on_validation = gain(ours, theirs, maximize=record.maximize)
        if on_validation.direction != "better" or not opened.shows(model, over=other):
            return False
    return True


def _ensemble_or(
    opened: OpenedModels, best: Best, meeting: Mapping[str, Offer]
) -> tuple[Offer, str]:
    """Take the ensemble instead of the best single model, if it earns its cost, and say why.

    It has no seeds on validation, where its value must be ahead. Where too few seeds or no users
    show nothing, it must not be behind on test.
    """
    record = opened.record
    single, ensemble = meeting[best.model.name], meeting[ENSEMBLE]
    ahead = record.sign * (ensemble.valid - single.valid)
    if ahead <= 0:
        return single, best.why
    ensemble_record = record.ensemble(ENSEMBLE)
    assert ensemble_record is not None, "it is offered"
    gains = [gain_of_ensemble(record, ensemble_record, each) for each in best.references]
    if all(gain and gain.mean > 0 and gain.p < opened.level for gain in gains):
        return ensemble, words.why_ensemble(best, ahead)
    if None in gains and ensemble.test is not None:
        others = [meeting[each.name].test for each in best.references]
        if all(test is None or record.sign * (ensemble.test - test) >= 0 for test in others):
            return ensemble, words.why_ensemble(best, ahead, is_shown=False)
    return single, f"{best.why}{words.ensemble_passed_over(ahead, ensemble.members)}"


def _cheapest(opened: OpenedModels, best: Best, outcome: Verdict) -> tuple[str, str]:
    """Apply the third rule: return the name of the model to take, and why."""
    if not outcome.contrasts and not opened.record.students:
        return best.model.name, best.why
    # In units of the headline, whose value on test is the best one's.
    reached = mean_of(arm_values(opened.record, best.model).values) or 0.0
    objective = objective_named(opened.record.objective)
    margin = objective.margin_at(opened.record.budget.margin, reached)
    cheaper = _cheaper(opened, best, outcome)
    within = {each.model.name: each for each in cheaper if each.is_within(margin)}
    if within:
        cheapest = min(within.values(), key=lambda each: each.share).model
        models = [each.model for each in within.values()]
        alike = [model for model in models if not opened.costs.is_cheaper(cheapest, than=model)]
        taken = best_on_validation(opened.record, alike) or cheapest
        return taken.name, words.why_cheaper(opened, best, within[taken.name], margin)
    remarks = (
        f"{words.ahead_on_test(opened, best, margin)}{words.not_shown(opened, cheaper, margin)}"
    )
    return best.model.name, f"{best.why}{remarks}"


def _cheaper(opened: OpenedModels, best: Best, outcome: Verdict) -> list[CheaperModel]:
    """Return the models that may take the best one's place and cost less, each with its gains.

    Models whose difference cannot be a claim are left out, and arms of a study without a verdict.
    Intervals have the level for all opened models that cost less.
    """
    costs = opened.costs
    others = [each for each in opened.models if costs.is_cheaper(each, than=best.model)]
    standing = {each.name for each in best.standing if each.student_of or outcome.contrasts}
    cheaper = []
    for model in others:
        gains = [opened.gain(model, each) for each in best.references if each.name != model.name]
        known = tuple(gain for gain in gains if gain is not None)
        share = costs.share(model, best.model)
        if model.name in standing and len(known) == len(gains) and share is not None:
            level = level_at(opened.record.looks) / len(others)
            cheaper.append(CheaperModel(model, share, known, level))
    return cheaper
