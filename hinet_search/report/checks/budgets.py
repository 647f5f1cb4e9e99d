"""Budgets: whether all arms had the same number of trials."""

from collections.abc import Mapping

from hinet_search.report import numbers
from hinet_search.report.checks import Finding, passed, warning
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

ORDER = 50


def check(record: StudyRecord) -> Finding | None:
    """Warn of arms below the budget of a finished study, and of unequal numbers before its end."""
    exhausted = {title(arm.name): arm.trials_done for arm in record.arms if arm.is_searched_whole}
    counts = {title(arm.name): arm.trials_done for arm in record.arms if not arm.is_searched_whole}
    if not any((*counts.values(), *exhausted.values())):
        return None
    short = {name: count for name, count in counts.items() if count < record.budget.trials}
    if short and record.state == "done":
        budget = numbers.plural(record.budget.trials, "trial")
        return warning(
            f"Fewer trials than the budget of {budget}: {_listed(short)}.",
            _why_short(record, short),
            remedy="Widen that arm's space or give the study more time: "
            "an arm with fewer trials is at a disadvantage.",
        )
    if len(set(counts.values())) > 1:
        remedy = "Let the study finish: the same launch command resumes it."
        return warning(f"Arms had unequal numbers of trials: {_listed(counts)}.", remedy=remedy)
    facts = []
    if counts:
        each = numbers.plural(max(counts.values()), "trial")
        facts.append(f"{each} for each of {numbers.plural(len(counts), 'arm')}")
    for name, count in exhausted.items():
        configurations = numbers.plural(count, "configuration")
        facts.append(f"{name} was searched exhaustively, {configurations}")
    return passed(f"{'; '.join(facts)}.")


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _why_short(record: StudyRecord, short: Mapping[str, int]) -> list[str]:
    """Explain why arms of a finished study ended early: failures, time limit, or their space."""
    reasons = []
    for arm in record.arms:
        last = [trial for trial in arm.trials if trial.counts][-1:]
        if title(arm.name) in short and last and last[0].state == "failed":
            reasons.append(f"The last trials of {title(arm.name)} failed: {last[0].cause}.")
    if len(reasons) < len(short):
        reason = "The space of an arm had no new configuration left."
        seconds = record.budget.wall_clock_seconds or record.budget.seconds
        if seconds is not None:
            limit = f"The time limit of {numbers.duration(seconds)} was reached"
            reason = f"{limit}, or the space of an arm had no new configuration left."
        reasons.append(reason)
    return reasons
