"""Limit of cost: how much an arm may spend on a row, and the draws that were refused because they asked for more."""

from hinet_search.compare import title
from hinet_search.records import StudyRecord, TrialRecord
from hinet_search.report.finding import Finding, passed

ORDER = 60


def check(record: StudyRecord) -> Finding | None:
    """Says what held for all arms; there is nothing to warn of."""
    if not any(arm.trials for arm in record.arms):
        return None
    limit = record.budget.cost_limit
    if limit is None:
        return passed("No limit of cost: a draw may need any number of FLOPs per row.")
    subject = f"Limit of cost: {limit:g} times the FLOPs per row of the default HiNet"
    refused = [(title(arm.name), [trial for trial in arm.trials if _too_large(trial)]) for arm in record.arms]
    counts = ", ".join(f"{name} {len(trials)}" for name, trials in refused if trials)
    if not counts:
        return passed(f"{subject}; no draw was above it.")
    first = next(trials[0].cause for _, trials in refused if trials)
    return passed(f"{subject}; draws not trained: {counts} (the first was {first}).")


def _too_large(trial: TrialRecord) -> bool:
    return trial.cause.startswith("too large")
