"""Failed trials: an arm with many failed trials has used less of its budget than it seems."""

from hinet_search.report.drawing import numbers
from hinet_search.report.finding import Finding, passed, warning
from hinet_search.results.records import ArmRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import in_words, title

ORDER = 70
MANY = 0.1


def check(record: StudyRecord) -> Finding | None:
    """Warn of arms in which more than a tenth of the trials failed."""
    counts = [(title(arm.name), _failed(arm), arm.trials_done) for arm in record.arms]
    failed = sum(lost for _, lost, _ in counts)
    done = sum(tried for _, _, tried in counts)
    if not done:
        return None
    many = [(name, lost, tried) for name, lost, tried in counts if lost > MANY * tried]
    if many:
        names = in_words([name for name, _, _ in many])
        return warning(
            f"More than a tenth of the trials of {names} failed.",
            [f"{name}: {lost} of {tried}." for name, lost, tried in many],
            remedy="See the causes in the table of failed trials; "
            "the usual ones are too little memory and too high a learning rate.",
        )
    if not failed:
        return passed("No trial failed.")
    counted = f"{numbers.compact(failed)} of {numbers.compact(done)} trials failed"
    return passed(f"{counted}, no more than a tenth in any arm.")


def _failed(arm: ArmRecord) -> int:
    return sum(trial.state == "failed" for trial in arm.trials)
