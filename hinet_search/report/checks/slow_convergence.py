"""Slow convergence: finalists that were still improving at their last pass.

A failure that HiNet's paper names.
"""

from statistics import fmean

from hinet_search.report.drawing import numbers
from hinet_search.report.facts import record as record_facts
from hinet_search.report.finding import Finding, passed, warning
from hinet_search.results.records import EvaluationRecord, FinalistRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import in_words, title

ORDER = 100
RISING = 0.001  # gain in the last quarter of the passes, mean over seeds
LAST = 0.75


def check(record: StudyRecord) -> Finding | None:
    """Warn of arms whose chosen finalist gained over .001 on validation in the last quarter."""
    gains = [
        (title(arm.name), _late_gain(record, run)) for arm, run in record_facts.finalists(record)
    ]
    known = [(name, gain) for name, gain in gains if gain is not None]
    if not known:
        return None
    late = [(name, gain) for name, gain in known if gain > RISING]
    if not late:
        return passed("No finalist gained more than .001 in the last quarter of its passes.")
    names = in_words([name for name, _ in late])
    were = "was" if len(late) == 1 else "were"
    return warning(
        f"Slow convergence: {names} {were} still improving at the end.",
        [
            f"{name} gained {numbers.gain(gain)} in the last quarter of its passes."
            for name, gain in late
        ],
        remedy="Raise `passes` for all arms, or search higher learning rates; "
        "until then arms that learn fast are at an advantage.",
    )


def _late_gain(record: StudyRecord, finalist: FinalistRecord) -> float | None:
    """Return the mean gain of the runs over the last quarter of their passes."""
    gains = [
        _late_gain_of_run(run.evaluations, maximize=record.maximize)
        for run in finalist.runs
        if len(run.evaluations) > 1
    ]
    return fmean(gains) if gains else None


def _late_gain_of_run(evaluations: tuple[EvaluationRecord, ...], *, maximize: bool) -> float:
    """Return the gain over the last quarter, 0 if the best value was reached before the end."""
    sign = 1 if maximize else -1
    first = evaluations[0]
    last = evaluations[-1]
    if max(sign * evaluation.objective for evaluation in evaluations) > sign * last.objective:
        return 0.0
    earlier = [first]
    earlier += [other for other in evaluations[:-1] if other.passes <= LAST * last.passes]
    return sign * (last.objective - earlier[-1].objective)
