"""Winner: recommend an arm and say why, by rules.

Validation chooses. Test only rules out arms that are shown to be worse, and allows a cheaper arm
whose loss is shown to be below the study's margin. No significant difference between two arms is no
such evidence: there may just be too few seeds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from hinet_search.results.contrasts import arm_values, claims
from hinet_search.results.finalist_values import best_on_validation, chosen
from hinet_search.results.objectives import objective_named
from hinet_search.results.records import ArmRecord
from hinet_search.results.statistics.paired_difference import seeds_to_show
from hinet_search.results.statistics.simultaneous import LEVEL
from hinet_search.results.statistics.welch import (
    ArmValues,
    Estimate,
    difference_of_means,
    estimate,
    lacking,
)
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import Verdict, title


@dataclass(frozen=True)
class CheaperArm:
    """An arm with fewer FLOPs than the best arm, with its estimated gain over it.

    With 95 % confidence all cheaper arms gain at least their `least` (a loss is a negative gain).
    `level` is the level of a single arm.
    """

    arm: ArmRecord
    share: float  # of the best arm's FLOPs per row
    gain: Estimate
    level: float

    @property
    def least(self) -> float:
        """The lower end of the one-sided interval of the gain."""
        return self.gain.interval(2 * self.level)[0]

    def seeds_needed(self, margin: float) -> int | None:
        """Return the seeds that would show a loss below the margin if there is no loss.

        None if the users' error alone hides it.
        """
        return seeds_to_show(
            margin, self.gain.deviation, self.gain.user_error or 0.0, 2 * self.level
        )


def recommended_arm(record: StudyRecord, outcome: Verdict) -> tuple[ArmRecord | None, str]:
    """Return the recommended arm and the reason; None while no finalist is opened on test."""
    opened = _candidates(record, outcome)
    among, why = not_ruled_out(record, outcome)
    best = best_on_validation(record, among)
    if best is None or not outcome.contrasts:
        return best, why
    margin = margin_of(record, best)
    cheaper = cheaper_than(record, best, among, others=len(opened) - 1)
    cheapest = cheapest_within(cheaper, margin)
    if cheapest is not None:
        return cheapest.arm, within_margin_in_words(cheapest, best, why, margin)
    return best, f"{why}{_ahead_on_test(record, best, among, margin)}{_not_shown(cheaper, margin)}"


def margin_of(record: StudyRecord, best: ArmRecord) -> float:
    """Return the study's margin in units of its headline, whose value on test is the best arm's."""
    values = arm_values(record, best).values
    objective = objective_named(record.objective)
    return objective.margin_at(record.budget.margin, fmean(values) if values else 0.0)


def _candidates(record: StudyRecord, outcome: Verdict) -> list[ArmRecord]:
    """Return the opened arms, without those that the verdict left out."""
    opened = [arm for arm in record.arms if is_fully_tested(arm)]
    if not outcome.contrasts:
        return opened
    compared = {outcome.focus, *(contrast.arm for contrast in outcome.contrasts)}
    return [arm for arm in opened if arm.name in compared]


def not_ruled_out(record: StudyRecord, outcome: Verdict) -> tuple[list[ArmRecord], str]:
    """Return the opened arms that test does not rule out, and the reason to take the best."""
    opened = _candidates(record, outcome)
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


def cheaper_than(
    record: StudyRecord, best: ArmRecord, among: Sequence[ArmRecord], others: int
) -> tuple[CheaperArm, ...]:
    """Return the arms in `among` with fewer FLOPs than `best`, each with its gain.

    Arms whose difference cannot be a claim are left out. The intervals hold for `others` arms
    together, even if fewer are returned.
    """
    flops = {arm.name: count for count, arm in flops_of(among)}
    best_side, level = arm_values(record, best), LEVEL / max(1, others)
    candidates = []
    for arm in among:
        if not 0 < flops.get(arm.name, 0) < flops.get(best.name, 0):
            continue
        side = arm_values(record, arm)
        gain = None if lacking(side, best_side) else estimate(side, best_side)
        if gain is not None:
            candidates.append(CheaperArm(arm, flops[arm.name] / flops[best.name], gain, level))
    return tuple(candidates)


def cheapest_within(cheaper: Sequence[CheaperArm], margin: float) -> CheaperArm | None:
    """Return the arm with the fewest FLOPs that is shown to lose less than the margin."""
    within_margin = [candidate for candidate in cheaper if candidate.least > -margin]
    return min(within_margin, key=lambda candidate: candidate.share, default=None)


def within_margin_in_words(cheapest: CheaperArm, best: ArmRecord, why: str, margin: float) -> str:
    """Say why the cheaper arm is recommended instead of the best, which is so for reason `why`."""
    loss = "nothing"
    if cheapest.least < 0:
        loss = f"at most {_size(cheapest.least)}, less than the margin of {_margin(margin)}"
    return (
        f"it needs {_percent(cheapest.share)} of the FLOPs of {title(best.name)} ({why}) "
        f"and is shown to lose {loss}"
    )


def _not_shown(cheaper: Sequence[CheaperArm], margin: float) -> str:
    """Name the cheaper arm that is closest to the margin, and say what is missing."""
    if not cheaper:
        return ""
    nearest = max(cheaper, key=lambda candidate: candidate.least)
    needed = nearest.seeds_needed(margin)
    if nearest.gain.mean < -margin:
        more = f" (its mean is {_size(nearest.gain.mean)} lower)"
    elif needed is None:
        more = ": no number of seeds would show less, as the users alone differ by more"
    else:
        more = f": about {needed:,} seeds of each arm would decide"
    return (
        f"; {title(nearest.arm.name)} needs {_percent(nearest.share)} of its FLOPs, "
        f"but may lose up to {_size(nearest.least)}, "
        f"more than the margin of {_margin(margin)}{more}"
    )


def _ahead_on_test(
    record: StudyRecord, best: ArmRecord, among: Sequence[ArmRecord], margin: float
) -> str:
    """Name the arm that is ahead on test by more than the margin, if any.

    The arm is not shown to be better.
    """
    ours = arm_values(record, best)
    gains = [(_gain(arm_values(record, arm), ours), arm.name) for arm in among if arm is not best]
    gain, name = max(gains, default=(0.0, ""))
    if gain <= margin:
        return ""
    return f"; {title(name)} is {_size(gain)} ahead of it on test, which chance allows"


def _gain(left: ArmValues, right: ArmValues) -> float:
    return difference_of_means(left, right) if left.values and right.values else 0.0


def _size(number: float) -> str:
    return f"{abs(number):.4f}".lstrip("0")


def _margin(margin: float) -> str:
    return f"{margin:.3g}".lstrip("0") or "0"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.095 else f"{100 * share:.1f} %"


def is_fully_tested(arm: ArmRecord) -> bool:
    """Whether the arm has a chosen finalist with test values for all of its seeds."""
    finalist = chosen(arm)
    return finalist is not None and all(run.test_cells is not None for run in finalist.runs)


def flops_of(arms: Iterable[ArmRecord]) -> list[tuple[int, ArmRecord]]:
    """Return (FLOPs per row, arm) for each arm with a chosen finalist.

    Models without FLOPs (not torch models) are left out.
    """
    pairs = [(chosen(arm), arm) for arm in arms]
    flops = [
        (finalist.runs[0].cost.flops_per_row, arm)
        for finalist, arm in pairs
        if finalist is not None
    ]
    return [(count, arm) for count, arm in flops if count > 0]
