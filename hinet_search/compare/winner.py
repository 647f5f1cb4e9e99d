"""Winner: the arm to take, by the same rules as the verdict. What is not decided is left to what is cheaper to serve."""

from collections.abc import Iterable

from hinet_search.compare.contrasts import claims
from hinet_search.compare.finalists import best_on_validation, chosen
from hinet_search.compare.rules import Verdict
from hinet_search.records import ArmRecord, StudyRecord


def to_take(record: StudyRecord, outcome: Verdict) -> tuple[ArmRecord | None, str]:
    """The arm that the outcome speaks for and why, in words; None while no finalist is opened on test.

    Where nothing is decided it is the best on validation.
    """
    opened = [arm for arm in record.arms if is_opened(arm)]
    focus = next((arm for arm in opened if arm.name == outcome.focus), None)
    if outcome.status not in ("unclear", "better", "worse") or focus is None:
        return best_on_validation(record, opened), "the best on validation"
    if ahead := {one.arm for one in claims(outcome.contrasts, "worse")}:
        better = [arm for arm in opened if arm.name in ahead]
        return best_on_validation(record, better), f"better than {focus.name} on test"
    alike = {one.arm for one in outcome.contrasts if one.mark == "unclear"}
    if not alike:
        return focus, "better than every other arm on test"
    known = flops(arm for arm in opened if arm is focus or arm.name in alike)
    if len(known) < 2:
        return focus, "not told apart from others on test"
    return min(known, key=lambda pair: pair[0])[1], "of the arms not told apart on test it computes least"


def is_opened(arm: ArmRecord) -> bool:
    """Whether the arm has a chosen finalist with test values for all of its seeds."""
    finalist = chosen(arm)
    return finalist is not None and all(run.test_cells is not None for run in finalist.runs)


def flops(arms: Iterable[ArmRecord]) -> list[tuple[int, ArmRecord]]:
    """FLOPs per row of the chosen finalist of each arm that has one; what is no torch model has none to compare."""
    found = ((finalist.runs[0].cost.flops_per_row, arm) for arm in arms if (finalist := chosen(arm)) is not None)
    return [(number, arm) for number, arm in found if number > 0]
