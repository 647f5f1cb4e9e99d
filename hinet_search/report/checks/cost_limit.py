"""Cost limit: how much a configuration may compute per row, and the draws above it."""

from hinet_search.report import numbers
from hinet_search.report.checks import Finding, passed
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
    subject = f"Cost limit: {times} times the FLOPs per row of the default HiNet"
    free = []  # arms that the limit does not bind
    uncounted = []
    counts = []
    causes = []
    for arm in record.arms:
        name = title(arm.name)
        if arm.size_of:
            free.append(f"{name} may use what the size of {title(arm.size_of)} needs")
        costs = [trial.cost for trial in arm.trials if trial.cost]
        if costs and not any(cost.flops_per_row for cost in costs):
            uncounted.append(f"not counted for {name}")
        of_arm = [trial.cause for trial in arm.trials if trial.cause.startswith("too large")]
        if of_arm:
            counts.append(f"{name} {len(of_arm)}")
            causes += of_arm
    if free or uncounted:
        subject += f" ({'; '.join([*free, *uncounted])})"
    if not causes:
        return passed(f"{subject}; no draw was above it.")
    first = f"the first was {causes[0]}"
    return passed(f"{subject}; draws not trained: {', '.join(counts)} ({first}).")
