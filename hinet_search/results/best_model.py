"""Best model: the arm or student that is best before a lower cost counts, by rules, and why.

Validation chooses. Test rules out what it shows to be worse than another model, and what costs more
must be shown to be better:

1. The best arm is the best on validation of the arms that test does not rule out.
2. A student that costs no more takes its place if it is better on validation and not shown to be
   worse on test, or if the best arm is shown to be worse on test.
3. A student that costs more takes their place if it is shown to be better on validation (over
   seeds) and on test.

The levels of all comparisons of one model with the others hold together (Bonferroni).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from hinet_search.results.contrasts import arm_values, claims
from hinet_search.results.finalist_values import best_on_validation, chosen, objective_by_seed
from hinet_search.results.records import ArmRecord
from hinet_search.results.serving_costs import ServingCosts, serving_costs
from hinet_search.results.statistics.paired_difference import gain
from hinet_search.results.statistics.simultaneous import LEVEL
from hinet_search.results.statistics.welch import Estimate, estimate, lacking
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.taught_contrasts import student_contrasts
from hinet_search.results.verdict import Verdict, title


@dataclass(frozen=True)
class Best:
    """The best model of a study before a lower cost counts, and why.

    `arm` is the best arm, None if only students are opened on test. `standing` are the models that
    may take the best one's place, `opened` all that were compared. `level` is that of one pair.
    """

    model: ArmRecord
    arm: ArmRecord | None
    why: str
    standing: tuple[ArmRecord, ...]
    opened: tuple[ArmRecord, ...]
    costs: ServingCosts
    level: float

    @property
    def references(self) -> tuple[ArmRecord, ...]:
        """What takes its place must not lose to these: the best model and the best arm."""
        if self.arm is None or self.arm.name == self.model.name:
            return (self.model,)
        return self.model, self.arm


def best_model(record: StudyRecord, outcome: Verdict, *, besides: int = 0) -> Best | None:
    """Return the best model; None while nothing is opened on test.

    The levels hold together with comparisons of `besides` further models.
    """
    opened = (*_compared_arms(record, outcome), *filter(is_fully_tested, record.students))
    level = LEVEL / max(1, len(opened) - 1 + besides)
    arms, why = _not_ruled_out(record, outcome)
    arm = _best_unbeaten(record, arms, level)
    if arm is not best_on_validation(record, arms):
        why = "the best on validation of the arms that are not shown to be worse on test"
    costs = serving_costs(opened)
    students = _students(record)
    dearer = [each.name for each in students if arm and costs.is_cheaper(arm, than=each)]
    affordable = [each for each in students if each.name not in dearer]
    model = _best_unbeaten(record, [*arms, *affordable], level)
    if model is None:
        return None
    best = Best(model, arm, why, (*arms, *affordable), opened, costs, level)
    better = [
        each
        for each in students
        if each.name in dearer
        and all(_earns_its_cost(record, each, other, level) for other in best.references)
    ]
    model = best_on_validation(record, [model, *better]) or model
    best = replace(best, model=model, standing=(*best.standing, *better))
    if model.student_of:
        best = replace(best, why=_why_student(record, best))
    return replace(best, why=f"{best.why}{_passed_over(record, best)}")


def is_fully_tested(arm: ArmRecord) -> bool:
    """Whether the arm has a chosen finalist with test values for all of its seeds."""
    finalist = chosen(arm)
    return finalist is not None and all(run.test_cells is not None for run in finalist.runs)


def gain_of(record: StudyRecord, model: ArmRecord, other: ArmRecord) -> Estimate | None:
    """Return the gain of a model over another one on test; None if it cannot be a claim."""
    ours = arm_values(record, model)
    theirs = arm_values(record, other)
    return None if lacking(ours, theirs) else estimate(ours, theirs)


def is_shown_better(record: StudyRecord, model: ArmRecord, other: ArmRecord, level: float) -> bool:
    """Whether test shows a model to be better than another one."""
    estimated = gain_of(record, model, other)
    return estimated is not None and estimated.mean > 0 and estimated.p < level


def valid_gain(record: StudyRecord, model: ArmRecord, other: ArmRecord) -> float:
    """Return the gain of a model over another one in the objective on validation."""
    ours, theirs = (valid_value(record, each) for each in (model, other))
    return ours - theirs if record.maximize else theirs - ours


def valid_value(record: StudyRecord, model: ArmRecord) -> float:
    """Return the objective of a model with a chosen finalist on validation, a mean over seeds."""
    return fmean(_valid_values(record, model).values())


def _valid_values(record: StudyRecord, model: ArmRecord) -> Mapping[int, float]:
    finalist = chosen(model)
    assert finalist is not None, "asked of models that are opened on test"
    return objective_by_seed(record, finalist, "valid")


def _compared_arms(record: StudyRecord, outcome: Verdict) -> list[ArmRecord]:
    """Return the opened arms, without those that the verdict left out."""
    opened = [arm for arm in record.arms if is_fully_tested(arm)]
    if not outcome.contrasts:
        return opened
    compared = {outcome.focus, *(contrast.arm for contrast in outcome.contrasts)}
    return [arm for arm in opened if arm.name in compared]


def _not_ruled_out(record: StudyRecord, outcome: Verdict) -> tuple[list[ArmRecord], str]:
    """Return the opened arms that the verdict does not rule out, and why to take their best."""
    opened = _compared_arms(record, outcome)
    focus = title(outcome.focus or "")
    ahead = {contrast.arm for contrast in claims(outcome.contrasts, "worse")}
    if ahead:
        return [arm for arm in opened if arm.name in ahead], f"better than {focus} on test"
    beaten = {contrast.arm for contrast in claims(outcome.contrasts, "better")}
    remaining = [arm for arm in opened if arm.name not in beaten]
    if not beaten:
        return remaining, "the best on validation"
    if len(beaten) == len(outcome.contrasts):
        return remaining, "better than every other arm on test"
    return remaining, "the best on validation of the arms that are not shown to be worse on test"


def _students(record: StudyRecord) -> list[ArmRecord]:
    """Return the students that are opened on test and not shown to be worse than their arm."""
    worse = {contrast.arm for contrast in claims(student_contrasts(record), "worse")}
    return [
        student
        for student in record.students
        if is_fully_tested(student) and student.name not in worse
    ]


def _best_unbeaten(
    record: StudyRecord, among: Sequence[ArmRecord], level: float
) -> ArmRecord | None:
    """Return the best on validation of those that test does not show to be worse than another."""
    unbeaten = list(among)
    while unbeaten:
        best = best_on_validation(record, unbeaten)
        assert best is not None, "opened models have finalists"
        if not any(is_shown_better(record, other, best, level) for other in among):
            return best
        unbeaten.remove(best)
    return best_on_validation(record, among)


def _earns_its_cost(record: StudyRecord, model: ArmRecord, other: ArmRecord, level: float) -> bool:
    """Whether a model is shown to be better than another one, on validation and on test.

    Of several that are equally good, the one that is lucky on validation is lucky on test too.
    """
    ours, theirs = (_valid_values(record, each) for each in (model, other))
    if not ours.keys() & theirs.keys():
        return False
    on_validation = gain(ours, theirs, maximize=record.maximize)
    return on_validation.direction == "better" and is_shown_better(record, model, other, level)


def _why_student(record: StudyRecord, best: Best) -> str:
    """Say why a student is the best model."""
    arm = best.arm
    student = best.model
    if arm is None:
        return "the best on validation"
    ahead = valid_gain(record, student, arm)
    if ahead <= 0:
        return f"{title(arm.name)}, the best arm on validation, is shown to be worse on test"
    is_better = is_shown_better(record, student, arm, best.level)
    shown = "shown to be better" if is_better else "not shown to be worse"
    return (
        f"{_size(ahead)} ahead of {title(arm.name)}, the best arm, on validation, "
        f"{_at_its_cost(best, student, arm)}, and {shown} on test"
    )


def _at_its_cost(best: Best, student: ArmRecord, arm: ArmRecord) -> str:
    """Say what a student costs beside the best arm: `at 18 % of its time`."""
    share = best.costs.share(student, arm)
    if share is not None and best.costs.is_cheaper(arm, than=student):
        return f"at {share:.1f} times its {best.costs.measure}"
    if share is not None and best.costs.is_cheaper(student, than=arm):
        return f"at {percent(share)} of its {best.costs.measure}"
    return "at no higher cost"


def _passed_over(record: StudyRecord, best: Best) -> str:
    """Name the student that is furthest ahead on validation, but not taken, and say why."""
    standing = [model.name for model in best.standing]
    ahead = [
        (valid_gain(record, model, best.model), model.name, model)
        for model in best.opened
        if model.student_of and valid_gain(record, model, best.model) > 0
    ]
    if not ahead:
        return ""
    size, name, model = max(ahead, key=lambda each: each[:2])
    text = f"; {title(name)} is {_size(size)} ahead of it on validation, but "
    share = best.costs.share(model, best.arm) if best.arm else None
    if best.arm is None or share is None or name in standing:
        return f"{text}shown to be worse on test"
    if not best.costs.is_cheaper(best.arm, than=model):
        return f"{text}shown to be worse on test"
    return (
        f"{text}takes {share:.1f} times the {best.costs.measure} of {title(best.arm.name)} "
        "and is not shown to be better on both splits"
    )


def percent(share: float) -> str:
    """Format a share: `18 %`, `2.4 %`."""
    return f"{100 * share:.0f} %" if share >= 0.095 else f"{100 * share:.1f} %"


def _size(number: float) -> str:
    return f"{abs(number):.4f}".lstrip("0")
