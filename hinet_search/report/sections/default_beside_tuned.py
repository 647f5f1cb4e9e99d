"""Default beside tuned: validation of every finalist, to show what the search gained."""

from collections.abc import Sequence
from statistics import mean

from markupsafe import Markup

from hinet_search.report.card import NEEDS_FINALISTS, Card, NotApplicable
from hinet_search.report.drawing import numbers
from hinet_search.report.drawing.figures import CLASSES, marked, over_seeds
from hinet_search.report.drawing.html import (
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
from hinet_search.results.finalist_values import chosen, objective_by_seed
from hinet_search.results.records import ArmRecord, FinalistRecord
from hinet_search.results.shrinkage import shrinkage
from hinet_search.results.statistics.paired_difference import Difference, Summary, gain, summary
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

ORDER = 51


def build(record: StudyRecord) -> Card:
    """Build one line per arm, and a folded table of all finalists."""
    arms = [
        arm
        for arm in record_facts.ordered_arms(record)
        if any(finalist.runs for finalist in arm.finalists)
    ]
    if not arms:
        raise NotApplicable(NEEDS_FINALISTS)
    several = any(len(finalist.runs) > 1 for arm in arms for finalist in arm.finalists)
    objective = record_facts.capitalized(record_facts.objective_in_words(record))
    lead = (
        f"{objective} on validation, {'mean over seeds' if several else '1 seed'}. The best of "
        "several finalists looks better than it is; the same rule applies to all arms."
    )
    finalists = [chosen(arm) for arm in arms]
    num_default = sum(finalist is not None and finalist.is_default for finalist in finalists)
    count = f"{num_default or 'None'} of {numbers.plural(len(arms), 'arm')}"
    heading = f"{count} kept the default configuration"
    body = join(
        [
            _summary(record, arms),
            _luck(record, arms),
            _every_finalist(record, arms, several=several),
        ]
    )
    return Card("default-beside-tuned", "Search", heading, lead, body, half=True)


def _reached(record: StudyRecord, finalist: FinalistRecord | None) -> Summary | None:
    if finalist is None:
        return None
    return summary(list(objective_by_seed(record, finalist, "valid").values()))


def _summary(record: StudyRecord, arms: Sequence[ArmRecord]) -> Markup:
    rows = []
    for arm in arms:
        default = next((finalist for finalist in arm.finalists if finalist.is_default), None)
        tuned = _best_tuned(record, arm)
        finalist = chosen(arm)
        choice = "none yet" if finalist is None else _name(finalist)
        rows.append(
            row(
                title(arm.name),
                over_seeds(_reached(record, default)),
                over_seeds(_reached(record, tuned)),
                _gain_cell(record, tuned, default),
                choice,
            )
        )
    header = head("Arm", "Default", "Best tuned", "Gain of tuning", "Chosen")
    return scroll("Default beside tuned", table(header, rows))


def _name(finalist: FinalistRecord) -> str:
    return "default" if finalist.is_default else f"trial {finalist.trial_number}"


def _best_tuned(record: StudyRecord, arm: ArmRecord) -> FinalistRecord | None:
    pick = max if record.maximize else min
    tuned = []
    for finalist in arm.finalists:
        reached = _reached(record, finalist)
        if not finalist.is_default and reached is not None:
            tuned.append((reached.mean, finalist))
    return pick(tuned, key=lambda pair: pair[0])[1] if tuned else None


def _gain_cell(
    record: StudyRecord, tuned: FinalistRecord | None, default: FinalistRecord | None
) -> Markup:
    left = objective_by_seed(record, tuned, "valid") if tuned else {}
    right = objective_by_seed(record, default, "valid") if default else {}
    if not left.keys() & right.keys():
        return number(tag("small", "not comparable"))
    difference: Difference = gain(left, right, maximize=record.maximize)
    return number(marked(difference), CLASSES[difference.mark])


def _luck(record: StudyRecord, arms: Sequence[ArmRecord]) -> Markup:
    """Say what the best trials lost when new seeds trained them."""
    shrunk = [found for arm in arms if (found := shrinkage(record, arm)) is not None]
    if not shrunk:
        return Markup("")
    focus = record_facts.focus_of(record)
    of_focus = next((each for each in shrunk if focus and each.arm == focus.name), shrunk[0])
    said = (
        f"The best trial of {title(of_focus.arm)} had {numbers.metric(of_focus.in_search)} in the "
        f"search and has {numbers.metric(of_focus.over_seeds)} with "
        f"{numbers.seeds([of_focus.num_seeds])} that did not choose it."
    )
    if len(shrunk) == 1:
        return note(said)
    average = mean(each.lost for each in shrunk)
    lost = (
        f"lost {numbers.metric(average)}: the best of several was partly lucky"
        if average > 0
        else "lost nothing"
    )
    return note(f"{said} On average over {len(shrunk)} arms, best trials {lost}.")


def _every_finalist(record: StudyRecord, arms: Sequence[ArmRecord], *, several: bool) -> Markup:
    rows = [
        row(
            title(arm.name),
            _name(finalist),
            str(len(finalist.runs)),
            over_seeds(_reached(record, finalist)),
            "chosen" if finalist.chosen else "",
        )
        for arm in arms
        for finalist in arm.finalists
    ]
    content = scroll(
        "All finalists", table(head("Arm", "Finalist", "Seeds", "Validation", ""), rows)
    )
    intervals = "▲ ▼: the uncorrected 95 % interval over paired seeds excludes 0."
    explained = note(intervals if several else "≈: one seed gives no interval.")
    summary_line = f"All {len(rows)} finalists" if len(rows) > 1 else "The only finalist"
    return join([explained, details(summary_line, content)])
