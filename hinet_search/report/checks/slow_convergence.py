"""Slow convergence: finalists that were still improving at their last epoch.

A failure that HiNet's paper names.
"""

from collections.abc import Sequence
from statistics import fmean

from hinet_search.report import numbers, record_facts
from hinet_search.report.checks import Finding, passed, warning
from hinet_search.results.records import EvaluationRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import in_words, title

ORDER = 100
RISING = 0.001  # gain in the last quarter of the epochs, mean over seeds
LAST = 0.75


def check(record: StudyRecord) -> Finding | None:
    """Warn of arms whose chosen finalist gained over 0.001 on validation in the last quarter."""
    known = False
    names = []
    details = []
    for arm, finalist in record_facts.finalists(record):
        runs = [run.evaluations for run in finalist.runs if len(run.evaluations) > 1]
        if not runs:
            continue
        known = True
        gain = fmean(_late_gain(record, evaluations) for evaluations in runs)
        if gain > RISING:
            name = title(arm.name)
            names.append(name)
            gained = numbers.gain(gain)
            details.append(f"{name} gained {gained} in the last quarter of its epochs.")
    if not known:
        return None
    if not names:
        return passed("No finalist gained more than 0.001 in the last quarter of its epochs.")
    were = numbers.agree(len(names), "was", "were")
    return warning(
        f"Slow convergence: {in_words(names)} {were} still improving at the end.",
        details,
        remedy="Raise `epochs` for all arms, or search higher learning rates; "
        "until then arms that learn fast are at an advantage.",
    )


def _late_gain(record: StudyRecord, evaluations: Sequence[EvaluationRecord]) -> float:
    """Return the gain over the last quarter, 0 if the best value was reached before the end."""
    values = [record.sign * evaluation.objective for evaluation in evaluations]
    if max(values) > values[-1]:
        return 0.0
    late = LAST * evaluations[-1].epochs
    earlier = sum(evaluation.epochs <= late for evaluation in evaluations[:-1])
    return values[-1] - values[max(earlier - 1, 0)]
