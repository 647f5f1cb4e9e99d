"""Failed trials: an arm that loses many tries has had less of the budget than it seems."""

from hinet_search.compare import in_words, title, trials_done
from hinet_search.records import ArmRecord, StudyRecord
from hinet_search.report import numbers
from hinet_search.report.finding import Finding, passed, warning

ORDER = 70
MANY = 0.1


def check(record: StudyRecord) -> Finding | None:
    """Warns of arms more than a tenth of whose trials failed."""
    counts = {title(arm.name): (_failed(arm), trials_done(arm)) for arm in record.arms}
    failed, done = sum(lost for lost, _ in counts.values()), sum(tried for _, tried in counts.values())
    if not done:
        return None
    many = {name: (lost, tried) for name, (lost, tried) in counts.items() if lost > MANY * tried}
    if many:
        return warning(
            f"More than a tenth of the trials of {in_words(list(many))} failed.",
            [f"{name}: {lost} of {tried}." for name, (lost, tried) in many.items()],
            remedy="The table of failed trials has the causes; most are of memory or of a learning rate.",
        )
    counted = f"{numbers.compact(failed)} of {numbers.compact(done)} trials failed, no more than a tenth in any arm."
    return passed(counted if failed else "No trial failed.")


def _failed(arm: ArmRecord) -> int:
    return sum(trial.state == "failed" for trial in arm.trials)
