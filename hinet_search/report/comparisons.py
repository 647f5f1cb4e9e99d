"""Comparisons: the focus against every other arm, students and the ensemble beside the arms.

They are drawn as forest plots, and the tests of the arms are listed in a table.
"""

from collections.abc import Iterable, Iterator, Sequence

from markupsafe import Markup

from hinet_search.report import html, numbers, record_facts
from hinet_search.report.figures import CLASSES, ForestRow, forest, leaves_the_picture, marked
from hinet_search.results.contrasts import (
    Contrast,
    ensemble_contrast,
    own_arm,
    same_size,
    student_contrasts,
)
from hinet_search.results.ensemble_records import ENSEMBLE
from hinet_search.results.records import ArmRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import Verdict, in_words, title
from hinet_search.results.within_groups import group_gains

MARKS = "Filled: better. Ring: no significant difference. Diamond: worse."
OF_SEEDS = "Small dots: single seeds. Ring: their mean, an observation, not a claim"
CUT = "An arrow marks an interval that extends beyond the plot."


def against_all(record: StudyRecord, outcome: Verdict, focus: ArmRecord) -> Markup:
    """Return one row per other arm, smallest gain first, and the legend."""
    contrasts = _smallest_first(outcome.contrasts)
    sized = {arm.name for arm in rivals_of_size(record, focus)}
    rows = []
    for contrast in contrasts:
        remarks = {
            "strongest": contrast.arm == outcome.rival,
            "reference": contrast.arm == record.reference,
            "same size": contrast.arm in sized,
        }
        remark = ", ".join(name for name, holds in remarks.items() if holds)
        rows.append(ForestRow(title(contrast.arm), remark, contrast.difference, contrast.reason))
    picture = forest(rows, "Compared with", f"Gain of {title(focus.name)}")
    measure = record_facts.headline_in_words(record)
    legend = f"Gain of {title(focus.name)} in {measure} on test (split {record.data.split})"
    explained = how_drawn(contrasts, "baseline")
    if any(contrast.has_interval for contrast in contrasts):
        legend += f", difference of the means over seeds. {explained}{_cut(contrasts)}"
    else:
        legend += f". {explained}"
    if not record.maximize:
        legend += f" Lower {measure} is better; a positive gain means lower."
    return html.join([picture, html.note(legend)])


def _cut(contrasts: Iterable[Contrast]) -> str:
    differences = [contrast.difference for contrast in contrasts if contrast.difference is not None]
    return f" {CUT}" if leaves_the_picture(differences) else ""


def _smallest_first(contrasts: Sequence[Contrast]) -> list[Contrast]:
    """Sort by gain; contrasts without a difference come last."""
    return sorted(contrasts, key=lambda each: (each.mean is None, each.mean or 0.0))


def rivals_of_size(record: StudyRecord, focus: ArmRecord) -> list[ArmRecord]:
    """Return the arms of the focus's size; tree nodes are not comparable to parameters."""
    return [arm for arm in same_size(record, focus) if record_facts.has_flops(arm)]


def counted(contrast: Contrast) -> str:
    """Return the evidence for a gain.

    For example `95 % interval +0.0027 to +0.0059, 5 seeds an arm and 4,800 users`.
    """
    if not contrast.has_interval:
        return contrast.reason
    interval = f"95 % interval {span(contrast)}"
    if contrast.family > 1:
        interval = f"interval {span(contrast)}, corrected for {contrast.family} comparisons"
    text = f"{interval}, {contrast.counted}"
    return f"{text}; an observation, not a claim" if contrast.lacks else text


def span(contrast: Contrast) -> str:
    """Return the interval of a gain without its kind: `+0.0027 to +0.0059`."""
    difference = contrast.difference
    if difference is None or difference.low is None:
        return contrast.reason
    return numbers.interval(difference.low, difference.high)


def how_drawn(contrasts: Sequence[Contrast], noun: str) -> str:
    """Explain the lines and marks of a forest plot of `noun`s: baselines or students.

    For example `Line: interval from the variation over seeds and users (Student t), of what this
    search found.`
    """
    drawn = [contrast for contrast in contrasts if contrast.has_interval]
    if not drawn:
        return "One seed gives no interval."
    if all(contrast.difference and contrast.difference.by_seed for contrast in drawn):
        return f"{OF_SEEDS} ({in_words(sorted({contrast.lacks for contrast in drawn}))})."
    variation = _variation({contrast.unit for contrast in drawn})
    method = f"Student t{_corrected(drawn, noun)}"
    scope = "of this teacher" if noun == "student" else "of what this search found"
    sentences = [f"Line: interval from the variation over {variation} ({method}), {scope}."]
    if any(not contrast.lacks for contrast in drawn):
        sentences.append(MARKS)
    reasons = dict.fromkeys(contrast.lacks for contrast in drawn if contrast.lacks)
    if reasons:
        listed = "; ".join(reasons)
        sentences.append(
            f"Dotted: an observation, not a claim ({listed}), with its uncorrected 95 % interval."
        )
    return " ".join(sentences)


def _variation(units: set[str]) -> str:
    """Name what the intervals count: seeds, and the units that were resampled, "" for none."""
    if units == {""}:
        return "seeds; users are not counted"
    if "" in units:
        return "seeds, and over users where known"
    return "seeds and users" if units == {"users"} else "seeds and rows"


def _corrected(drawn: Sequence[Contrast], noun: str) -> str:
    """Name the comparisons that Holm's procedure corrects for; empty for a single one."""
    claims = sum(not contrast.lacks for contrast in drawn)
    family = max(contrast.family for contrast in drawn)
    if family < 2:
        return ""
    over = numbers.plural(family, noun)
    if family > claims:
        over = f"the {family} comparisons among which validation chose"
    return f"; corrected for {over} (Holm's method): no mark is false, with 95 % confidence"


def tests(outcome: Verdict) -> Markup:
    """Return the table of tests behind the plot, folded; empty where too few seeds test nothing."""
    if outcome.has_few_seeds:
        return Markup("")
    contrasts = _smallest_first(outcome.contrasts)
    rows = []
    for contrast in contrasts:
        if contrast.seed_error is None:
            continue
        user_error: html.Content = html.tag("small", "not known")
        if contrast.user_error is not None:
            user_error = numbers.metric(contrast.user_error)
        p_holm: html.Content = numbers.probability(contrast.p_holm)
        if contrast.lacks:
            p_holm = html.tag("small", "observation")
        rows.append(
            html.row(
                title(contrast.arm),
                numbers.gain(contrast.mean),
                numbers.metric(contrast.seed_error),
                html.number(user_error),
                numbers.DASH if contrast.degrees is None else f"{contrast.degrees:.1f}",
                numbers.probability(contrast.p),
                html.number(p_holm),
                f"{100 * (1 - contrast.level):.1f} %",
                " / ".join(map(str, contrast.seeds)),
            )
        )
    if not rows:
        return Markup("")
    errors = ("Standard error, seeds", "Standard error, users", "Degrees of freedom, seeds")
    tested = ("p", "p, corrected", "Level of the interval", "Seeds")
    header = html.head("Compared with", "Gain", *errors, *tested)
    explained = html.note(
        "Corrected: by Holm's method, for all comparisons together, so that with 95 % confidence "
        "no mark is false. The level of an interval is the one at which its mark was decided."
    )
    content = html.table("Tests", header, rows, class_="tests") + explained
    return html.details("The tests behind the plot", content, on_paper=True)


def by_groups(record: StudyRecord) -> Markup:
    """Return the gains split into those between and within groups, folded; empty without groups."""
    students = [student.name for student in record.students]
    rows = []
    for split in sorted(group_gains(record), key=lambda each: each.gain):
        arm = title(split.contrast.arm)
        if split.contrast.arm in students:
            arm += ", over its arm"
        parts = map(numbers.gain, (split.gain, split.between, split.within))
        difference = split.contrast.difference
        area = html.number(numbers.DASH)
        if difference is not None:
            told = html.remarked(marked(difference), span(split.contrast))
            area = html.number(told, class_=CLASSES[difference.mark])
        rows.append(html.row(arm, *parts, area))
    if not rows:
        return Markup("")
    within = html.measure("AUC within groups", "gain, interval")
    header = html.head("Compared with", "Gain", "Between groups", "Within groups", within)
    explained = html.note(
        "Between groups: the gain if every row had the mean score of its group. Within groups: the "
        "rest, which differences of scores inside groups add among all rows. Both sum to the gain, "
        "and are means over seeds without an interval. AUC within groups compares rows of one "
        "group alone, so its sign may differ; marks are corrected for all comparisons, as in the "
        "plot."
    )
    content = html.table("Gains between and within groups", header, rows, class_="models")
    content += explained
    return html.details("Gains between and within groups", content, on_paper=True)


def beside_arms(record: StudyRecord) -> Markup:
    """Return one row per student and one for the ensemble; empty without test values of either."""
    compared = list(on_top(record))
    if not compared:
        return Markup("")
    students = student_contrasts(record)
    ensemble = record.ensemble(ENSEMBLE)
    sentences = [f"Gain in {record_facts.headline_in_words(record)} on test."]
    if students:
        drawn = how_drawn(students, "student")
        sentences.append(f"Students: {drawn[:1].lower()}{drawn[1:]}")
    rows = []
    for place, (name, contrast) in enumerate(compared):
        remark = ""
        if ensemble is not None and place == len(students):
            remark = f"{len(ensemble.members)} models"
            drawn = "it has no interval"
            if contrast.has_interval:
                drawn = "its 95 % interval is over users only"
            sentences.append(f"The ensemble has no seeds: {drawn}, an observation.")
        rows.append(ForestRow(name, remark, contrast.difference, contrast.reason))
    legend = (
        f"{' '.join(sentences)}{_cut(contrast for _, contrast in compared)} "
        "They stand on all arms, outside the equal budgets, and change no mark of an arm."
    )
    return html.join([forest(rows, "On top of the arms", "Gain"), html.note(legend)])


def on_top(record: StudyRecord) -> Iterator[tuple[str, Contrast]]:
    """Yield the gains of students over their arms and of the ensemble over the focus on test.

    Each has its name: `Distilled STAR against STAR`, `Ensemble against HiNet`.
    """
    students = {student.name: student for student in record.students}
    for contrast in student_contrasts(record):
        arm = own_arm(record, students[contrast.arm])
        against = f" against {title(arm.name)}" if arm else ""
        yield f"{title(contrast.arm)}{against}", contrast
    ensemble = record.ensemble(ENSEMBLE)
    focus = record_facts.focus_of(record)
    if ensemble is not None and focus is not None:
        of_ensemble = ensemble_contrast(record, ensemble, focus)
        if of_ensemble is not None:
            yield f"{title(ENSEMBLE)} against {title(focus.name)}", of_ensemble
