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

from hinet_search.results.contrasts import claims, student_contrasts
from hinet_search.results.finalist_values import (
    arm_values,
    best_on_validation,
    chosen,
    objective_by_seed,
)
from hinet_search.results.records import ArmRecord
from hinet_search.results.statistics.paired_difference import gain, magnitude
from hinet_search.results.statistics.simultaneous import level_at
from hinet_search.results.statistics.welch import Estimate, claim
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import Verdict, title

# Times are measured while other slots train. Between a fifth less and the same they are alike.
SHORTER = 0.8
TIME = "time"
BEST = "the best on validation"
BEST_OF_REST = f"{BEST} of the arms that are not shown to be worse on test"


@dataclass(frozen=True)
class ServingCosts:
    """The costs of models by name, in one measure; models whose cost is not known are left out.

    `measure` is `time`, to score 100 rows as one request, or `FLOPs` per row. A cost is
    `below` another one if it is at most this share of it. Models of one `size` are alike, however
    their times differ: a student and its arm.
    """

    measure: str
    of: Mapping[str, float]
    below: float
    size: Mapping[str, tuple[int, int]]

    def share(self, model: ArmRecord, other: ArmRecord) -> float | None:
        """Return the cost of a model as a share of another one's; None if one is not known."""
        ours = self.of.get(model.name)
        theirs = self.of.get(other.name)
        return ours / theirs if ours and theirs else None

    def is_cheaper(self, model: ArmRecord, than: ArmRecord) -> bool:
        """Whether a model costs less, by more than the noise of the measure."""
        share = self.share(model, than)
        ours = self.size.get(model.name)
        theirs = self.size.get(than.name)
        if share is None or (ours is not None and ours == theirs):
            return False
        return share < 1 and share <= self.below


@dataclass(frozen=True)
class Best:
    """The best model of a study before a lower cost counts, and why.

    `arm` is the best arm, None if only students are opened on test. `standing` are the models that
    may take the best one's place, `opened` all that were compared. `level` is of one pair.
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
    compared = [arm for arm in record.arms if is_fully_tested(arm)]
    if outcome.contrasts:  # without the arms that the verdict left out
        names = {outcome.focus, *(contrast.arm for contrast in outcome.contrasts)}
        compared = [arm for arm in compared if arm.name in names]
    opened = (*compared, *filter(is_fully_tested, record.students))
    level = level_at(record.looks) / max(1, len(opened) - 1 + besides)
    arms, why = _not_ruled_out(compared, outcome)
    arm = _best_unbeaten(record, arms, level)
    if arm is not best_on_validation(record, arms):
        why = BEST_OF_REST
    costs = serving_costs(opened)
    affordable: list[ArmRecord] = []
    dearer: list[ArmRecord] = []
    worse = {contrast.arm for contrast in claims(student_contrasts(record), "worse")}
    for student in filter(is_fully_tested, record.students):
        if student.name in worse:  # than its arm
            continue
        if arm is not None and costs.is_cheaper(arm, than=student):
            dearer.append(student)
        else:
            affordable.append(student)
    standing = (*arms, *affordable)
    model = _best_unbeaten(record, standing, level)
    if model is None:
        return None
    best = Best(model, arm, why, standing, opened, costs, level)
    better = [student for student in dearer if _earns_its_cost(record, student, best)]
    model = best_on_validation(record, [model, *better]) or model
    best = replace(best, model=model, standing=(*standing, *better))
    if model.student_of:
        best = replace(best, why=_why_student(record, best))
    return replace(best, why=f"{best.why}{_passed_over(record, best)}")


def serving_costs(models: Sequence[ArmRecord]) -> ServingCosts:
    """Return the times of the chosen finalists if all networks were timed on one kind of device.

    Otherwise return their FLOPs, which have no noise. Trees have none; they are left out there, and
    where they were timed on another kind of device than the networks.
    """
    finalists = {model.name: finalist for model in models if (finalist := chosen(model))}
    costs = {name: finalist.cost for name, finalist in finalists.items()}
    networks = {name: cost for name, cost in costs.items() if cost.flops_per_row}
    size = {name: (cost.flops_per_row, cost.parameters) for name, cost in networks.items()}
    timed_on = {}  # the kinds of device of all runs: `cpu`, `cuda`
    for name, finalist in finalists.items():
        kinds = {run.cost.device.partition(":")[0] for run in finalist.runs}
        timed_on[name] = frozenset(kinds)
    devices = {timed_on[name] for name in networks or finalists}
    times = {}
    for name, cost in costs.items():
        if cost.milliseconds_per_100 and timed_on[name] in devices:
            times[name] = cost.milliseconds_per_100
    if len(devices) == 1 and networks.keys() <= times.keys():
        return ServingCosts(TIME, times, SHORTER, size)
    flops = {name: float(cost.flops_per_row) for name, cost in networks.items()}
    return ServingCosts("FLOPs", flops, 1.0, size)


def is_fully_tested(arm: ArmRecord) -> bool:
    """Whether the arm has a chosen finalist with test values for all of its seeds."""
    finalist = chosen(arm)
    return finalist is not None and all(run.test_cells is not None for run in finalist.runs)


def gain_of(record: StudyRecord, model: ArmRecord, other: ArmRecord) -> Estimate | None:
    """Return the gain of a model over another one on test; None if it cannot be a claim."""
    return claim(arm_values(record, model), arm_values(record, other))


def is_shown_better(record: StudyRecord, model: ArmRecord, other: ArmRecord, level: float) -> bool:
    """Whether test shows a model to be better than another one."""
    estimated = gain_of(record, model, other)
    return estimated is not None and estimated.mean > 0 and estimated.p < level


def valid_gain(record: StudyRecord, model: ArmRecord, other: ArmRecord) -> float:
    """Return the gain of a model over another one in the objective on validation."""
    ours = objective_by_seed(record, chosen(model), "valid")
    theirs = objective_by_seed(record, chosen(other), "valid")
    return record.sign * (fmean(ours.values()) - fmean(theirs.values()))


def _not_ruled_out(opened: Sequence[ArmRecord], outcome: Verdict) -> tuple[list[ArmRecord], str]:
    """Return the opened arms that the verdict does not rule out, and why to take their best."""
    ahead = {contrast.arm for contrast in claims(outcome.contrasts, "worse")}
    if ahead:
        focus = title(outcome.focus or "")
        return [arm for arm in opened if arm.name in ahead], f"better than {focus} on test"
    beaten = {contrast.arm for contrast in claims(outcome.contrasts, "better")}
    remaining = [arm for arm in opened if arm.name not in beaten]
    if not beaten:
        return remaining, BEST
    if len(beaten) == len(outcome.contrasts):
        return remaining, "better than every other arm on test"
    return remaining, BEST_OF_REST


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


def _earns_its_cost(record: StudyRecord, model: ArmRecord, best: Best) -> bool:
    """Whether a model is shown to be better than the best ones, on validation and on test.

    Of several that are equally good, the one that is lucky on validation is lucky on test too.
    """
    ours = objective_by_seed(record, chosen(model), "valid")
    for other in best.references:
        theirs = objective_by_seed(record, chosen(other), "valid")
        if not ours.keys() & theirs.keys():
            return False
        on_validation = gain(ours, theirs, maximize=record.maximize)
        if on_validation.direction != "better":
            return False
        if not is_shown_better(record, model, other, best.level):
            return False
    return True


def _why_student(record: StudyRecord, best: Best) -> str:
    """Say why a student is the best model, and what it costs beside the best arm."""
    arm = best.arm
    student = best.model
    if arm is None:
        return BEST
    ahead = valid_gain(record, student, arm)
    if ahead <= 0:
        return f"{title(arm.name)}, the best arm on validation, is shown to be worse on test"
    share = best.costs.share(student, arm)
    cost = "at no higher cost"
    if share is not None and best.costs.is_cheaper(arm, than=student):
        cost = f"at {share:.1f} times its {best.costs.measure}"
    elif share is not None and best.costs.is_cheaper(student, than=arm):
        cost = f"at {percent(share)} of its {best.costs.measure}"
    is_better = is_shown_better(record, student, arm, best.level)
    shown = "shown to be better" if is_better else "not shown to be worse"
    return (
        f"{magnitude(ahead)} ahead of {title(arm.name)}, the best arm, on validation, "
        f"{cost}, and {shown} on test"
    )


def _passed_over(record: StudyRecord, best: Best) -> str:
    """Name the student that is furthest ahead on validation, but not taken, and say why."""
    students = [model for model in best.opened if model.student_of]
    gains = [(valid_gain(record, model, best.model), model.name, model) for model in students]
    size, name, model = max(gains, key=lambda each: each[:2], default=(0.0, "", None))
    if model is None or size <= 0:
        return ""
    text = f"; {title(name)} is {magnitude(size)} ahead of it on validation, but "
    is_standing = name in [each.name for each in best.standing]
    if best.arm is None or is_standing or not best.costs.is_cheaper(best.arm, than=model):
        return f"{text}shown to be worse on test"
    return (
        f"{text}takes {best.costs.share(model, best.arm):.1f} times the {best.costs.measure} of "
        f"{title(best.arm.name)} and is not shown to be better on both splits"
    )


def percent(share: float) -> str:
    """Format a share: `18 %`, `2.4 %`."""
    return f"{100 * share:.0f} %" if share >= 0.095 else f"{100 * share:.1f} %"
