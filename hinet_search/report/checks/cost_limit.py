"""Cost limit: how much a configuration may compute per row, and the draws above it."""

from collections.abc import Sequence

from hinet_search.report.drawing import numbers
from hinet_search.report.finding import Finding, passed
from hinet_search.results.records import ArmRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

ORDER = 60


def check(record: StudyRecord) -> Finding | None:
    """State the limit; this check never warns."""
    if not any(arm.trials for arm in record.arms):
        return None
    limit = record.budget.cost_limit
    if limit is None:
        return passed("No cost limit: a configuration may use any number of FLOPs per row.")
    times = numbers.plain(limit, 6)
    exceptions = _not_bound(record.arms)
    subject = f"Cost limit: {times} times the FLOPs per row of the default HiNet{exceptions}"
    refused = [
        (title(arm.name), [trial for trial in arm.trials if trial.cause.startswith("too large")])
        for arm in record.arms
    ]
    counts = ", ".join(f"{name} {len(trials)}" for name, trials in refused if trials)
    if not counts:
        return passed(f"{subject}; no draw was above it.")
    first = next(trials[0].cause for _, trials in refused if trials)
    return passed(f"{subject}; draws not trained: {counts} (the first was {first}).")


def _not_bound(arms: Sequence[ArmRecord]) -> str:
    """Name the arms that the limit does not apply to, and why."""
    sized = [
        f"{title(arm.name)} may use what the size of {title(arm.size_of)} needs"
        for arm in arms
        if arm.size_of
    ]
    uncounted = [f"not counted for {title(arm.name)}" for arm in arms if _counts_no_flops(arm)]
    notes = "; ".join([*sized, *uncounted])
    return f" ({notes})" if notes else ""


def _counts_no_flops(arm: ArmRecord) -> bool:
    costs = [trial.cost for trial in arm.trials if trial.cost]
    return bool(costs) and all(cost.flops_per_row == 0 for cost in costs)
