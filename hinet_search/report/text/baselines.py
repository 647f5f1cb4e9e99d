"""Baselines: the focus arm against every other arm, as a forest plot and as a table of tests."""

from collections.abc import Sequence

from markupsafe import Markup

from hinet_search.report.drawing import numbers
from hinet_search.report.drawing.figures import ForestRow, forest, leaves_the_picture
from hinet_search.report.drawing.html import (
    Content,
    details,
    head,
    join,
    note,
    number,
    row,
    scroll,
    table,
    tag,
)
from hinet_search.report.facts import record as record_facts
from hinet_search.results.contrasts import Contrast, same_size
from hinet_search.results.records import ArmRecord
from hinet_search.results.statistics.paired_difference import Difference
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import Verdict, title

MARKS = "Filled: better. Ring: no significant difference. Diamond: worse."


def against_all(record: StudyRecord, outcome: Verdict, focus: ArmRecord) -> Markup:
    """Return one row per other arm, smallest gain first, and the legend."""
    contrasts = _smallest_first(outcome.contrasts)
    sized = {arm.name for arm in rivals_of_size(record, focus)}
    rows = [
        ForestRow(
            title(contrast.arm),
            _remark(record, outcome, contrast, sized),
            contrast.difference,
            contrast.reason,
        )
        for contrast in contrasts
    ]
    picture = forest(rows, "Compared with", f"Gain of {title(focus.name)}")
    return join([picture, note(_legend(record, focus, contrasts))])


def _smallest_first(contrasts: Sequence[Contrast]) -> list[Contrast]:
    """Sort by gain; contrasts without a difference come last."""
    known = [
        (contrast.difference.mean, k) for k, contrast in enumerate(contrasts) if contrast.difference
    ]
    unknown = [contrast for contrast in contrasts if contrast.difference is None]
    return [*(contrasts[k] for _, k in sorted(known)), *unknown]


def rivals_of_size(record: StudyRecord, focus: ArmRecord) -> list[ArmRecord]:
    """Return the arms of the focus's size; tree nodes are not comparable to parameters."""
    return [arm for arm in same_size(record, focus) if record_facts.has_flops(arm)]


def counted(contrast: Contrast) -> str:
    """Return the evidence for a gain.

    For example `interval after Holm +.0027 to +.0059, 5 seeds an arm and 4,800 users`.
    """
    difference = contrast.difference
    if difference is None or difference.low is None:
        return contrast.reason
    kind = "interval after Holm" if contrast.family > 1 else "95 % interval"
    text = f"{kind} {_interval(difference)}, {contrast.counted}"
    return f"{text}; an observation, not a claim" if contrast.lacks else text


def span(contrast: Contrast) -> str:
    """Return the interval of a gain without its kind: `+.0027 to +.0059`."""
    difference = contrast.difference
    if difference is None or difference.low is None:
        return contrast.reason
    return _interval(difference)


def _interval(difference: Difference) -> str:
    return numbers.interval(difference.low, difference.high)


def _remark(record: StudyRecord, outcome: Verdict, contrast: Contrast, sized: set[str]) -> str:
    remarks = {
        "strongest": contrast.arm == outcome.rival,
        "reference": contrast.arm == record.reference,
        "same size": contrast.arm in sized,
    }
    return ", ".join(remark for remark, applies in remarks.items() if applies)


def _legend(record: StudyRecord, focus: ArmRecord, contrasts: Sequence[Contrast]) -> str:
    measure = record_facts.headline_in_words(record)
    lower = "" if record.maximize else f" Lower {measure} is better; a positive gain means lower."
    what = f"Gain of {title(focus.name)} in {measure} on test (split {record.data.split})"
    differences = [contrast.difference for contrast in contrasts if contrast.difference is not None]
    explained = how_drawn(contrasts, "baseline")
    if all(difference.low is None for difference in differences):
        return f"{what}. {explained}{lower}"
    is_cut = leaves_the_picture(differences)
    cut = " An arrow marks an interval that extends beyond the plot." if is_cut else ""
    return f"{what}, difference of the means over seeds. {explained}{cut}{lower}"


def how_drawn(contrasts: Sequence[Contrast], noun: str) -> str:
    """Explain the lines and marks of a forest plot.

    For example `Line: interval from the variation over seeds and users (Student t).`
    """
    drawn = [
        contrast
        for contrast in contrasts
        if contrast.difference is not None and contrast.difference.low is not None
    ]
    if not drawn:
        return "One seed gives no interval."
    variation = _sources_of_variation([contrast.units for contrast in drawn])
    method = f"Student t{_corrected(drawn, noun)}"
    sentences = [f"Line: interval from the variation over {variation} ({method})."]
    if any(not contrast.lacks for contrast in drawn):
        sentences.append(MARKS)
    reasons = dict.fromkeys(contrast.lacks for contrast in drawn if contrast.lacks)
    if reasons:
        listed = "; ".join(reasons)
        sentences.append(
            f"Dotted: an observation, not a claim ({listed}), with its uncorrected 95 % interval."
        )
    return " ".join(sentences)


def _sources_of_variation(units: Sequence[str]) -> str:
    """Name what the intervals count; `units` has each contrast's resampled unit, or ""."""
    if not any(units):
        return "seeds; users are not counted"
    if not all(units):
        return "seeds, and over users where known"
    return "seeds and users" if all(unit.endswith("users") for unit in units) else "seeds and rows"


def _corrected(drawn: Sequence[Contrast], noun: str) -> str:
    """Name the comparisons that Holm's procedure corrects for; empty for a single one."""
    claims = sum(not contrast.lacks for contrast in drawn)
    family = max(contrast.family for contrast in drawn)
    if family < 2:
        return ""
    over = numbers.plural(family, noun)
    if family > claims:
        over = f"the {family} comparisons among which validation chose"
    return f"; Holm over {over}: no mark is false, with 95 % confidence"


def tests(outcome: Verdict) -> Markup:
    """Return the table of tests behind the plot, folded."""
    tested = [
        contrast
        for contrast in _smallest_first(outcome.contrasts)
        if contrast.seed_error is not None
    ]
    if not tested:
        return Markup("")
    header = head(
        "Compared with",
        "Gain",
        "Standard error, seeds",
        "Standard error, users",
        "Degrees of freedom, seeds",
        "p",
        "p after Holm",
        "Level of the interval",
        "Seeds",
    )
    rows = [_test_row(contrast) for contrast in tested]
    content = scroll("Tests", table(header, rows, class_="tests"))
    return details("The tests behind the plot", content, on_paper=True)


def _test_row(contrast: Contrast) -> Markup:
    user_error: Content = tag("small", "not known")
    if contrast.user_error is not None:
        user_error = numbers.metric(contrast.user_error)
    p_holm: Content = numbers.probability(contrast.p_holm)
    if contrast.lacks:
        p_holm = tag("small", "observation")
    return row(
        title(contrast.arm),
        numbers.gain(contrast.difference.mean if contrast.difference else None),
        numbers.metric(contrast.seed_error),
        number(user_error),
        numbers.DASH if contrast.degrees is None else f"{contrast.degrees:.1f}",
        numbers.probability(contrast.p),
        number(p_holm),
        f"{100 * (1 - contrast.level):.1f} %",
        " / ".join(str(count) for count in contrast.seeds),
    )
