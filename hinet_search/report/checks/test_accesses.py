"""Uses of the test split: each evaluation on it makes it a little less unseen.

One use is planned for each arm and student, and one for the ensemble.
"""

from hinet_search.report.drawing import numbers
from hinet_search.report.finding import Finding, passed, warning
from hinet_search.results.records import ArmRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import in_words, title

ORDER = 150


def check(record: StudyRecord) -> Finding | None:
    """Warn if several finalists of an arm, or studies of the same rows, used the test split."""
    arms = record.arms_and_students
    counts = {title(arm.name): _tested_finalists(arm) for arm in arms}
    has_ensemble = any(ensemble.test_cells is not None for ensemble in record.ensembles)
    used_here = sum(counts.values()) + has_ensemble
    several = [name for name, count in counts.items() if count > 1]
    details = []
    if several:
        details.append(
            f"More than one finalist of {in_words(several)}; "
            "only the one chosen on validation is compared."
        )
    if record.test_accesses > used_here:
        details.append(
            f"{used_here} of them by the finalists {'and the ensemble ' * has_ensemble}shown here, "
            "the others by studies of the same rows and tasks."
        )
    if details:
        times = numbers.plural(max(record.test_accesses, used_here), "time")
        return warning(
            f"The test split was used {times}.",
            details,
            remedy="Before a costly decision, test once more on newer rows.",
        )
    if not used_here:
        return None
    times = numbers.plural(used_here, "time")
    return passed(f"The test split was used once {_per(record, has_ensemble)}, {times} in all.")


def _per(record: StudyRecord, has_ensemble: bool) -> str:  # noqa: FBT001  a word or none
    """Name what the test split may be used for: `per arm`, `per arm, student and ensemble`."""
    kinds = ["arm", *(["student"] if record.students else []), *(["ensemble"] * has_ensemble)]
    return f"per {in_words(kinds)}"


def _tested_finalists(arm: ArmRecord) -> int:
    return sum(
        any(run.test_cells is not None for run in finalist.runs) for finalist in arm.finalists
    )
