"""Budgets: whether every arm had as many trials as the others."""

from collections.abc import Mapping

from hinet_search.compare import title, trials_done
from hinet_search.records import StudyRecord
from hinet_search.report import numbers, reading
from hinet_search.report.finding import Finding, passed, warning

ORDER = 50


def check(record: StudyRecord) -> Finding | None:
    """Warns of arms below the budget of a finished study, and of unequal numbers before its end."""
    counts = {title(arm.name): trials_done(arm) for arm in record.arms}
    if not counts or not max(counts.values()):
        return None
    short = {name: count for name, count in counts.items() if count < record.budget.trials}
    if short and record.state == "done":
        return warning(
            f"Ended with fewer than its budget of {numbers.plural(record.budget.trials, 'trial')}: {_listed(short)}.",
            [_why_short(record)],
            remedy="Widen that arm's space or give the study more time; an arm with fewer tries has worse luck.",
        )
    if len(set(counts.values())) > 1:
        remedy = "Let the study come to its end: the same launch goes on."
        return warning(f"Arms had unequal numbers of trials: {_listed(counts)}.", remedy=remedy)
    each, arms = numbers.plural(max(counts.values()), "trial"), numbers.plural(len(counts), "arm")
    return passed(f"{each} for each of {arms}.")


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _why_short(record: StudyRecord) -> str:
    """A study that is done ends an arm early for two reasons only."""
    nothing_new = "the space of an arm gave nothing new"
    if record.budget.wall_clock_seconds is None:
        return f"{reading.capitalized(nothing_new)}."
    return f"The time of {numbers.duration(record.budget.wall_clock_seconds)} was up, or {nothing_new}."
