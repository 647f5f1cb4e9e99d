"""Words of a decision: why an offer is taken, and what stands against the next one."""

from collections.abc import Sequence
from math import isfinite

from hinet_search.results.ensemble_records import ENSEMBLE
from hinet_search.results.opened_models import Best, CheaperModel, Offer, OpenedModels
from hinet_search.results.records import ArmRecord, ServingLimits
from hinet_search.results.serving_costs import TIME, percent
from hinet_search.results.statistics.paired_difference import magnitude
from hinet_search.results.verdict import Verdict, title, titles

BEST = "the best on validation"
BEST_OF_REST = f"{BEST} of the arms that are not shown to be worse on test"


def why_arm(
    opened: OpenedModels, outcome: Verdict, arm: ArmRecord, arms: Sequence[ArmRecord]
) -> str:
    """Say why an arm is the best one of the arms."""
    ahead = [each for each in arms if opened.ahead(each, arm) > 0]
    if not ahead:
        marks = {contrast.mark for contrast in outcome.contrasts}
        wins = outcome.focus == arm.name and marks == {"better"}
        return "better than every other arm on test" if wins else BEST
    if all(opened.shows(arm, over=each) for each in ahead):
        return f"better than {titles(each.name for each in ahead)} on test"
    return BEST_OF_REST


def why_student(opened: OpenedModels, best: Best) -> str:
    """Say why a student is the best model, and what it costs beside the best arm."""
    arm = best.arm
    student = best.model
    if arm is None:
        return BEST
    ahead = opened.ahead(student, arm)
    if ahead <= 0:
        return f"{title(arm.name)}, the best arm on validation, is shown to be worse on test"
    cost = "no higher cost"
    if opened.costs.is_cheaper(arm, than=student) or opened.costs.is_cheaper(student, than=arm):
        cost = opened.costs.in_words(student, arm)
    shown = "shown to be better" if opened.shows(student, over=arm) else "not shown to be worse"
    return (
        f"{magnitude(ahead)} ahead of {title(arm.name)}, the best arm, on validation, "
        f"at {cost}, and {shown} on test"
    )


def passed_over(opened: OpenedModels, best: Best) -> str:
    """Name the student that is furthest ahead on validation, but not taken, and say why."""
    students = [model for model in opened.models if model.student_of]
    student = max(students, key=lambda each: opened.ahead(each, best.model), default=best.model)
    size = opened.ahead(student, best.model)
    if size <= 0:
        return ""
    text = f"; {title(student.name)} is {magnitude(size)} ahead of it on validation, but "
    if best.arm is None or not opened.costs.is_cheaper(best.arm, than=student):
        return f"{text}shown to be worse on test"
    share = opened.costs.share(student, best.arm)
    return (
        f"{text}takes {share:.1f} times the {opened.costs.measure} of "
        f"{title(best.arm.name)} and is not shown to be better on both splits"
    )


def why_ensemble(best: Best, ahead: float, *, is_shown: bool = True) -> str:
    """Say why the ensemble is taken instead of the best model."""
    text = f"{magnitude(ahead)} ahead of {title(best.model.name)} on validation, and"
    if not is_shown:
        return f"{text} not behind on test, where too few seeds or no users show more"
    over = titles(each.name for each in best.references)
    return f"{text} shown to be better than {over} on test"


def ensemble_passed_over(ahead: float, members: int) -> str:
    """Say why the ensemble is not taken, though it is ahead on validation."""
    return (
        f"; {title(ENSEMBLE)} is {magnitude(ahead)} ahead of it on validation, but costs as much "
        f"as {members} models and is not shown to be better on test"
    )


def why_cheaper(opened: OpenedModels, best: Best, taken: CheaperModel, margin: float) -> str:
    """Say why the cheaper model is taken instead of the best one."""
    over = [each.name for each in best.references if each.name != taken.model.name]
    against = f" against {titles(over)}" if len(over) > 1 else ""
    loss = f"nothing{against}"
    if taken.least < 0:
        size = magnitude(taken.least)
        loss = f"at most {size}{against}, less than the margin of {margin:.3g}"
    return (
        f"it {_needs(opened, taken)} the {opened.costs.measure} of {title(best.model.name)} "
        f"({best.why}) and is shown to lose {loss}"
    )


def not_shown(opened: OpenedModels, cheaper: Sequence[CheaperModel], margin: float) -> str:
    """Name the cheaper model that is closest to the margin, and say what is missing."""
    in_question = [each for each in cheaper if not each.is_worse or each.least > -margin]
    if not in_question:
        return ""
    nearest_one = max(in_question, key=lambda candidate: candidate.least)
    needs = f"{_needs(opened, nearest_one)} its {opened.costs.measure}"
    text = f"; {title(nearest_one.model.name)} {needs}, but "
    if nearest_one.least > -margin:
        return f"{text}is shown to be worse on test"
    more = ""
    if nearest_one.smallest.mean < -margin:
        more = f" (its mean is {magnitude(nearest_one.smallest.mean)} lower)"
    return (
        f"{text}may lose up to {magnitude(nearest_one.least)}, "
        f"more than the margin of {margin:.3g}{more}"
    )


def ahead_on_test(opened: OpenedModels, best: Best, margin: float) -> str:
    """Name the model that is ahead on test by more than the margin, if any.

    It is not shown to be better.
    """
    furthest = (margin, "")
    for other in best.standing:
        gain = opened.gain(other, best.model)
        if gain is not None and gain.mean > margin and other.name != best.model.name:
            furthest = max(furthest, (gain.mean, other.name))
    mean, name = furthest
    if not name:
        return ""
    return f"; {title(name)} is {magnitude(mean)} ahead of it on test, which chance allows"


def nearest(limits: ServingLimits, offers: Sequence[Offer]) -> str:
    """Say by how much the nearest offer misses the limits, and which limits would admit it."""
    offer = min(offers, key=lambda each: each.share, default=None)
    if offer is None:
        return "no finalist is trained yet"
    if not isfinite(offer.share):
        return (
            "the time to score 100 rows is not known for any finalist, so none is known to meet "
            "`serving.max_ms_per_100_rows`; launch the study again, which measures it"
        )
    remedies = []
    most_flops = limits.max_flops_per_row
    most_time = limits.max_ms_per_100_rows
    if most_flops is not None and offer.flops_per_row > most_flops:
        remedies.append(f"`serving.max_flops_per_row` to {offer.flops_per_row:,}")
    if most_time is not None and (offer.milliseconds or 0.0) > most_time:
        remedies.append(f"`serving.max_ms_per_100_rows` to {offer.milliseconds:.3g}")
    return (
        f"nothing meets the serving limits; {title(offer.name)} is nearest and takes "
        f"{offer.share:.2f} times what they allow: search smaller models, "
        f"or raise {' and '.join(remedies)}"
    )


def _needs(opened: OpenedModels, cheaper: CheaperModel) -> str:
    verb = "takes" if opened.costs.measure == TIME else "needs"
    return f"{verb} {percent(cheaper.share)} of"
