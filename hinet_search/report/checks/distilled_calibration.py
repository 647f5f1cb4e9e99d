"""Distilled calibration: how well students predict on validation, beside their arms."""

from collections.abc import Iterator

from hinet_search.report import numbers
from hinet_search.report.amounts import wording
from hinet_search.report.checks import Finding, passed, warning
from hinet_search.results.contrasts import own_arm
from hinet_search.results.finalist_values import by_seed, chosen, mean_of, values_by
from hinet_search.results.records import ArmRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import in_words, title

ORDER = 146


# (words, objective, rise allowed as a share and in all) of measures of which less is better.
MEASURES = (("log loss", "logloss", 0.01, 0.0), ("calibration error", "ece", 0.0, 0.005))


def check(record: StudyRecord) -> Finding | None:
    """Warn of students whose log loss rises by 1 %, or calibration error by 0.005."""
    names = []
    details: list[str] = []
    for student in record.students:
        arm = own_arm(record, student)
        if arm is not None and chosen(student):
            names.append(title(student.name))
            details += _worse(student, arm)
    if not names:
        return None
    if not details:
        return passed(
            f"On these validation rows neither the log loss of {in_words(names)} is 1 % higher "
            "than without distillation, nor the calibration error 0.005 higher."
        )
    words = wording(record.data)
    return warning(
        f"On these validation rows the {words.predictions} of a student are worse than its arm's.",
        details,
        remedy=f"Rescale its scores before you use them as {words.predictions}, or search lower "
        "values of `train.teacher_weight` (space `teaching`). The order of rows is not affected.",
    )


def _worse(student: ArmRecord, arm: ArmRecord) -> Iterator[str]:
    """Yield the measures on validation that are worse, as means over the seeds of finalists."""
    for words, objective, share, rise in MEASURES:
        value = values_by(objective)
        distilled = mean_of(by_seed(chosen(student), "valid", value).values())
        before = mean_of(by_seed(chosen(arm), "valid", value).values())
        if distilled is None or before is None or distilled <= before + share * before + rise:
            continue
        yield (
            f"{title(student.name)}: {words} {numbers.metric(distilled)} on validation, "
            f"{numbers.metric(before)} without distillation."
        )
