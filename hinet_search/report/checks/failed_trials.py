"""Failed trials: an arm that loses many tries has had less of the budget than it seems."""

from hinet_search.records import StudyRecord
from hinet_search.report import numbers
from hinet_search.report.finding import Finding, passed, warning

ORDER = 70
MANY = 0.1


def check(record: StudyRecord) -> Finding | None:
    """Warns when more than a tenth of all trials failed."""
    total = sum(len(arm.trials) for arm in record.arms)
    failed = sum(trial.state == "failed" for arm in record.arms for trial in arm.trials)
    if not total:
        return None
    trials = "trial" if total == 1 else "trials"
    counted = f"{numbers.compact(failed)} of {numbers.compact(total)} {trials} failed."
    if failed > MANY * total:
        return warning(
            counted, remedy="The table of failed trials has the causes; most are of memory or of a learning rate."
        )
    return passed(counted if failed else "No trial failed.")
