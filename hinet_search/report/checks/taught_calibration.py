"""Taught calibration: whether students predict probabilities as well as their own arms."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hinet_search.report import numbers
from hinet_search.report.amounts import wording
from hinet_search.report.checks import Finding, passed, warning
from hinet_search.results.contrasts import untaught
from hinet_search.results.finalist_values import by_seed, chosen, mean_of, values_by
from hinet_search.results.records import ArmRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import in_words, title

ORDER = 146


@dataclass(frozen=True)
class CalibrationMeasure:
    """A measure on validation of which less is better; `allowed` is by how much it may rise."""

    words: str
    objective: str
    allowed: Callable[[float], float]


MEASURES = (
    CalibrationMeasure("log loss", "logloss", lambda value: 0.01 * value),
    CalibrationMeasure("calibration error", "ece", lambda value: 0.005),  # noqa: ARG005  absolute
)


def check(record: StudyRecord) -> Finding | None:
    """Warn of students whose log loss rises by 1 %, or calibration error by .005."""
    names = []
    details: list[str] = []
    for student in record.students:
        arm = untaught(record, student)
        if arm is not None and chosen(student):
            names.append(title(student.name))
            details += _worse(student, arm)
    if not names:
        return None
    words = wording(record.data)
    if not details:
        verb = numbers.agree(len(names), "predicts", "predict")
        return passed(
            f"{in_words(names)} {verb} {words.taught} as well as untaught, on validation."
        )
    return warning(
        f"A teacher has made the {words.predictions} of a student worse.",
        details,
        remedy=f"Rescale its scores before you use them as {words.predictions}, or search lower "
        "values of `train.teacher_weight` (space `teaching`). The order of rows is not affected.",
    )


def _worse(student: ArmRecord, arm: ArmRecord) -> Iterator[str]:
    for measure in MEASURES:
        taught = _mean(student, measure.objective)
        before = _mean(arm, measure.objective)
        if taught is None or before is None or taught <= before + measure.allowed(before):
            continue
        yield (
            f"{title(student.name)}: {measure.words} {numbers.metric(taught)} on validation, "
            f"untaught {numbers.metric(before)}."
        )


def _mean(arm: ArmRecord, objective: str) -> float | None:
    """Return the mean over the seeds of the arm's chosen finalist; None without a value."""
    return mean_of(by_seed(chosen(arm), "valid", values_by(objective)).values())
