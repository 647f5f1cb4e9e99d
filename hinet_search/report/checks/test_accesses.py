"""Uses of the test split: each evaluation on it makes it a little less unseen.

One use is planned for each arm and student, and one for the ensemble.
"""

from hinet_search.report import numbers
from hinet_search.report.checks import Finding, passed, warning
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import in_words, title

ORDER = 150


def check(record: StudyRecord) -> Finding | None:
    """Warn if several finalists of an arm, or studies of the same rows, used the test split."""
    has_ensemble = any(ensemble.test_cells is not None for ensemble in record.ensembles)
    used_here = int(has_ensemble)
    several = []
    for arm in record.arms_and_students:
        opened = sum(finalist.is_opened for finalist in arm.finalists)
        used_here += opened
        if opened > 1:
            several.append(title(arm.name))
    details = []
    if several:
        details.append(
            f"More than one finalist of {in_words(several)}; "
            "only the one chosen on validation is compared."
        )
    if record.test_accesses > used_here:
        details.append(
            f"{used_here} of them by the finalists {'and the ensemble ' * has_ensemble}shown here, "
            "the others by earlier launches, or studies of the same rows and tasks."
        )
    if record.looks > 1:
        details.append(
            f"This is look {record.looks} at these rows, so what is claimed has the level "
            f"0.05 / {record.looks**2:,}: looks repeated until one wins have selection bias."
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
    kinds = ["arm", *["student"] * bool(record.students), *["ensemble"] * has_ensemble]
    times = numbers.plural(used_here, "time")
    return passed(f"The test split was used once per {in_words(kinds)}, {times} in all.")
