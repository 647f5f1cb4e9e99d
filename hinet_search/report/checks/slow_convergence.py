"""Slow convergence: finalists that were still rising when their passes ended, a failure that HiNet's paper names."""

from statistics import fmean

from hinet_search.compare import in_words, title
from hinet_search.records import EvaluationRecord, FinalistRecord, StudyRecord
from hinet_search.report import numbers, reading
from hinet_search.report.finding import Finding, passed, warning

ORDER = 100
RISING = 0.001  # in the last quarter of the passes, mean over seeds
LAST = 0.75


def check(record: StudyRecord) -> Finding | None:
    """Warns of arms whose chosen finalist gained more than .001 on validation in the last quarter and was best at the end."""
    rises = {title(arm.name): _rise(record, finalist) for arm, finalist in reading.finalists(record)}
    known = {name: rise for name, rise in rises.items() if rise is not None}
    if not known:
        return None
    rising = {name: rise for name, rise in known.items() if rise > RISING}
    if not rising:
        return passed("No finalist gained more than .001 in the last quarter of its passes.")
    return warning(
        f"Slow convergence: {in_words(list(rising))} {'was' if len(rising) == 1 else 'were'} still rising at the end.",
        [f"{name} gained {numbers.gain(rise)} in the last quarter of its passes." for name, rise in rising.items()],
        remedy="Raise `passes` for all arms, or search higher learning rates; until then arms that learn fast look better.",
    )


def _rise(record: StudyRecord, finalist: FinalistRecord) -> float | None:
    """Mean gain of the runs over the last quarter; a run that had its best value before the end gained nothing."""
    found = [_of_run(run.evaluations, maximize=record.maximize) for run in finalist.runs if len(run.evaluations) > 1]
    return fmean(found) if found else None


def _of_run(evaluations: tuple[EvaluationRecord, ...], *, maximize: bool) -> float:
    sign, last = (1 if maximize else -1), evaluations[-1]
    if max(sign * one.objective for one in evaluations) > sign * last.objective:
        return 0.0
    before = [one for one in evaluations[:-1] if one.passes <= LAST * last.passes] or evaluations[:1]
    return sign * (last.objective - before[-1].objective)
