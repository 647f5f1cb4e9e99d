"""Taught: each student against its own arm, the ensemble against the focus, as a forest plot."""

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from hinet_search.report.drawing.figures import ForestRow, forest, leaves_the_picture
from hinet_search.report.drawing.html import join, note
from hinet_search.report.facts import record as record_facts
from hinet_search.report.text.baselines import how_drawn
from hinet_search.results.contrasts import Contrast
from hinet_search.results.ensemble_records import ENSEMBLE
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.taught_contrasts import ensemble_contrast, student_contrasts, untaught
from hinet_search.results.verdict import title


def beside_arms(record: StudyRecord) -> Markup:
    """Return one row per student and one for the ensemble; empty without test values of either."""
    students = student_contrasts(record)
    ensemble = of_ensemble(record)
    rows = [*_student_rows(record, students), *_ensemble_row(record, ensemble)]
    if not rows:
        return Markup("")
    picture = forest(rows, "On top of the arms", "Gain")
    return join([picture, note(_legend(record, students, ensemble))])


def of_ensemble(record: StudyRecord) -> Contrast | None:
    """Return the gain of the ensemble over the focus on test; None without either."""
    ensemble = record.ensemble(ENSEMBLE)
    focus = record_facts.focus_of(record)
    if ensemble is None or focus is None:
        return None
    return ensemble_contrast(record, ensemble, focus)


def against_its_arm(record: StudyRecord, contrast: Contrast) -> str:
    """Name a student's comparison: `Taught STAR against STAR`."""
    student = next(each for each in record.students if each.name == contrast.arm)
    arm = untaught(record, student)
    return f"{title(student.name)} against {title(arm.name)}" if arm else title(student.name)


def against_the_focus(contrast: Contrast) -> str:
    """Name the ensemble's comparison: `Ensemble against HiNet`."""
    return f"{title(ENSEMBLE)} against {title(contrast.arm)}"


def _student_rows(record: StudyRecord, students: Sequence[Contrast]) -> Iterator[ForestRow]:
    for contrast in students:
        name = against_its_arm(record, contrast)
        yield ForestRow(name, "", contrast.difference, contrast.reason)


def _ensemble_row(record: StudyRecord, contrast: Contrast | None) -> Iterator[ForestRow]:
    ensemble = record.ensemble(ENSEMBLE)
    if contrast is not None and ensemble is not None:
        remark = f"{len(ensemble.members)} models"
        yield ForestRow(against_the_focus(contrast), remark, contrast.difference, contrast.reason)


def _legend(record: StudyRecord, students: Sequence[Contrast], ensemble: Contrast | None) -> str:
    sentences = [f"Gain in {record_facts.headline_in_words(record)} on test."]
    if students:
        drawn = how_drawn(students, "student")
        sentences.append(f"Students: {drawn[:1].lower()}{drawn[1:]}")
    if ensemble is not None:
        has_interval = ensemble.user_error is not None
        drawn = "its 95 % interval is over users only" if has_interval else "it has no interval"
        sentences.append(f"The ensemble has no seeds: {drawn}, an observation.")
    differences = [each.difference for each in [*students, *([ensemble] if ensemble else [])]]
    if leaves_the_picture([each for each in differences if each is not None]):
        sentences.append("An arrow marks an interval that extends beyond the plot.")
    sentences.append(
        "They stand on all arms, outside the equal budgets, and change no mark of an arm."
    )
    return " ".join(sentences)
