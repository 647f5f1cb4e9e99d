"""Cost limit: how much a configuration may compute per row, and the draws above it."""

from collections.abc import Sequence

from hinet_search.report import numbers
from hinet_search.report.checks import Finding, passed
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
    counts = []
    causes = []
    for arm in record.arms:
        of_arm = [trial.cause for trial in arm.trials if trial.cause.startswith("too large")]
        if of_arm:
            counts.append(f"{title(arm.name)} {len(of_arm)}")
            causes += of_arm
    if not causes:
        return passed(f"{subject}; no draw was above it.")
    first = f"the first was {causes[0]}"
    return passed(f"{subject}; draws not trained: {', '.join(counts)} ({first}).")


def _not_bound(arms: Sequence[ArmRecord]) -> str:
    """Name the arms that the limit does not apply to, and why."""
    notes = []
    for arm in arms:
        if arm.size_of:
            size = f"the size of {title(arm.size_of)}"
            notes.append(f"{title(arm.name)} may use what {size} needs")
    for arm in arms:
        costs = [trial.cost for trial in arm.trials if trial.cost]
        if costs and not any(cost.flops_per_row for cost in costs):
            notes.append(f"not counted for {title(arm.name)}")
    return f" ({'; '.join(notes)})" if notes else ""
