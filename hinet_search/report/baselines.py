"""Baselines: the arm in focus against every other, as a picture, and the tests behind it as a table."""

from collections.abc import Sequence

from markupsafe import Markup

from hinet_search.compare import Contrast, Difference, Verdict, same_size, title
from hinet_search.records import ArmRecord, StudyRecord
from hinet_search.report import numbers, reading
from hinet_search.report.figures import ForestRow, forest, leaves_the_picture
from hinet_search.report.markup import details, head, join, note, number, row, scroll, table, tag

MARKS = "Filled: better. Ring: no clear difference. Diamond: worse."


def against_all(record: StudyRecord, outcome: Verdict, focus: ArmRecord) -> Markup:
    """One row per other arm, the smallest gain first, and its legend."""
    found = _smallest_first(outcome.contrasts)
    sized = {arm.name for arm in rivals_of_size(record, focus)}
    rows = [
        ForestRow(title(one.arm), _remark(record, outcome, one, sized), one.difference, one.reason) for one in found
    ]
    picture = forest(rows, "Compared with", f"Gain of {title(focus.name)}")
    return join([picture, note(_legend(record, focus, found))])


def _smallest_first(found: Sequence[Contrast]) -> list[Contrast]:
    return sorted(found, key=lambda one: (one.difference is None, one.difference.mean if one.difference else 0.0))


def rivals_of_size(record: StudyRecord, focus: ArmRecord) -> list[ArmRecord]:
    """Arms of the size of the focus; nodes of trees are no parameters to compare."""
    return [arm for arm in same_size(record, focus) if reading.has_flops(arm)]


def counted(found: Contrast, outcome: Verdict) -> str:
    """What stands behind a gain: `interval after Holm +.0027 to +.0059, 5 seeds an arm and 4,800 users`."""
    difference = found.difference
    if difference is None or difference.low is None:
        return found.reason
    several = sum(one.p is not None for one in outcome.contrasts) > 1
    kind = "interval after Holm" if several else "95 % interval"
    return f"{kind} {_interval(difference)}, {found.counted}"


def span(found: Contrast) -> str:
    """The interval of a gain beside another one whose kind is named: `+.0027 to +.0059`."""
    difference = found.difference
    return found.reason if difference is None or difference.low is None else _interval(difference)


def _interval(difference: Difference) -> str:
    return numbers.interval(difference.low, difference.high)


def _remark(record: StudyRecord, outcome: Verdict, found: Contrast, sized: set[str]) -> str:
    remarks = ["strongest"] if found.arm == outcome.rival else []
    remarks += ["reference"] if found.arm == record.reference else []
    remarks += ["same size"] if found.arm in sized else []
    return ", ".join(remarks)


def _legend(record: StudyRecord, focus: ArmRecord, found: Sequence[Contrast]) -> str:
    measure = reading.headline_in_words(record)
    lower = "" if record.maximize else f" Lower {measure} is better; a positive gain means lower."
    what = f"Gain of {title(focus.name)} in {measure} on test (split {record.data.split})"
    differences = [one.difference for one in found if one.difference is not None]
    drawn = how_drawn(found, "baseline")
    if any(one.low is not None for one in differences):
        cut = " An arrow marks a line that leaves the picture." if leaves_the_picture(differences) else ""
        drawn = f", difference of the means over seeds. {drawn} {MARKS}{cut}"
    else:
        drawn = f". {drawn}"
    return f"{what}{drawn}{lower}"


def how_drawn(found: Sequence[Contrast], noun: str) -> str:
    """What the lines of a picture are made of: `Line: interval from the spread of seeds and users (Welch's t)`."""
    drawn = [one for one in found if one.difference is not None and one.difference.low is not None]
    if not drawn:
        return "One seed gives no interval."
    spread = "seeds and users" if all(one.units.endswith("users") for one in drawn) else "seeds and rows"
    if not all(one.units for one in drawn):
        spread = "seeds; users are not counted"
    several = f"; Holm over {numbers.plural(len(drawn), noun)}: with 95 % no mark is false" if len(drawn) > 1 else ""
    return f"Line: interval from the spread of {spread} (Welch's t{several})."


def tests(outcome: Verdict) -> Markup:
    """The tests behind the picture, behind a click."""
    tested = [one for one in _smallest_first(outcome.contrasts) if one.p is not None]
    if not tested:
        return Markup("")
    rows = [
        row(
            title(one.arm),
            numbers.gain(one.difference.mean if one.difference else None),
            numbers.metric(one.seed_error),
            number(numbers.metric(one.user_error) if one.user_error is not None else tag("small", "not known")),
            f"{one.degrees:.1f}" if one.degrees is not None else numbers.DASH,
            numbers.probability(one.p),
            numbers.probability(one.p_holm),
            f"{100 * (1 - one.level):.1f} %",
            " / ".join(str(count) for count in one.seeds),
        )
        for one in tested
    ]
    header = head(
        "Compared with",
        "Gain",
        "Standard error, seeds",
        "Standard error, users",
        "Degrees of freedom",
        "p",
        "p after Holm",
        "Level of the interval",
        "Seeds",
    )
    return details("The tests behind the picture", scroll("Tests", table(header, rows, class_="tests")), on_paper=True)
