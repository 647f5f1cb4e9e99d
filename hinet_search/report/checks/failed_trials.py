"""Failed trials: an arm with many failed trials has used less of its budget than it seems."""

from hinet_search.report import numbers
from hinet_search.report.checks import Finding, passed, warning
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import in_words, title

ORDER = 70
MANY = 0.1


def check(record: StudyRecord) -> Finding | None:
    """Warn of arms in which more than a tenth of the trials failed."""
    failed = sum(arm.num_failed for arm in record.arms)
    done = sum(arm.trials_done for arm in record.arms)
    if not done:
        return None
    many = [arm for arm in record.arms if arm.num_failed > MANY * arm.trials_done]
    if many:
        names = in_words([title(arm.name) for arm in many])
        return warning(
            f"More than a tenth of the trials of {names} failed.",
            [f"{title(arm.name)}: {arm.num_failed} of {arm.trials_done}." for arm in many],
            remedy="See the causes in the table of failed trials; "
            "the usual ones are too little memory and too high a learning rate.",
        )
    if not failed:
        return passed("No trial failed.")
    counted = f"{numbers.compact(failed)} of {numbers.compact(done)} trials failed"
    return passed(f"{counted}, no more than a tenth in any arm.")
