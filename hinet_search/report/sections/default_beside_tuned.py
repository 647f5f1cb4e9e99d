"""Default beside tuned: validation of every finalist, to show what the search gained."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from markupsafe import Markup

from hinet_search.report.card import NEEDS_FINALISTS, Card, NotApplicable
from hinet_search.report.drawing import html, numbers
from hinet_search.report.drawing.figures import CLASSES, marked, over_seeds
from hinet_search.report.facts import record as record_facts
from hinet_search.results.finalist_values import chosen, objective_by_seed
from hinet_search.results.records import ArmRecord, FinalistRecord
from hinet_search.results.statistics.paired_difference import Summary, gain, summary
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

ORDER = 51


@dataclass(frozen=True)
class Shrinkage:
    """The best trial's value in the search, with one seed, and its mean over finalist seeds.

    The best of many trials was partly lucky with its seed. Its finalists have other seeds, which
    did not choose it, so their mean on validation says what the configuration is worth. `lost` is
    how much worse the mean is, below 0 if it is better.
    """

    arm: str
    trial_number: int
    in_search: float
    over_seeds: float
    num_seeds: int
    lost: float


def shrinkage(record: StudyRecord, arm: ArmRecord) -> Shrinkage | None:
    """Return what the best trial of an arm lost.

    None if fewer than two trials are complete, as nothing was chosen, or if it was not retrained.
    """
    trials = record_facts.ranked(record, arm)
    if len(trials) < 2:
        return None
    best = min(trials, key=lambda trial: (-record.sign * (trial.value or 0.0), trial.number))
    for finalist in arm.finalists:
        over_seeds = objective_by_seed(record, finalist, "valid")
        if finalist.trial_number == best.number and over_seeds:
            value = best.value or 0.0
            reached = mean(over_seeds.values())
            lost = record.sign * (value - reached)
            return Shrinkage(arm.name, best.number, value, reached, len(over_seeds), lost)
    return None


def build(record: StudyRecord) -> Card:
    """Build one line per arm, and a folded table of all finalists."""
    arms = []
    finalists: list[tuple[ArmRecord, FinalistRecord]] = []
    for arm in record_facts.ordered_arms(record):
        if any(finalist.runs for finalist in arm.finalists):
            arms.append(arm)
            finalists += [(arm, finalist) for finalist in arm.finalists]
    if not arms:
        raise NotApplicable(NEEDS_FINALISTS)
    seeds = "mean over seeds" if _has_several_seeds(finalists) else "1 seed"
    objective = record_facts.capitalized(record_facts.objective_in_words(record))
    lead = (
        f"{objective} on validation, {seeds}. The best of "
        "several finalists looks better than it is; the same rule applies to all arms."
    )
    num_default = sum(finalist.is_default and finalist.chosen for _, finalist in finalists)
    count = f"{num_default or 'None'} of {numbers.plural(len(arms), 'arm')}"
    body = [_summary(record, arms), _luck(record, arms), _every_finalist(record, finalists)]
    heading = f"{count} kept the default configuration"
    return Card("default-beside-tuned", "Search", heading, lead, html.join(body), half=True)


def _has_several_seeds(finalists: Sequence[tuple[ArmRecord, FinalistRecord]]) -> bool:
    return any(len(finalist.runs) > 1 for _, finalist in finalists)


def _reached(record: StudyRecord, finalist: FinalistRecord | None) -> Summary | None:
    return summary(objective_by_seed(record, finalist, "valid").values())


def _summary(record: StudyRecord, arms: Sequence[ArmRecord]) -> Markup:
    rows = []
    for arm in arms:
        tuned = []
        for finalist in arm.finalists:
            reached = _reached(record, finalist)
            if not finalist.is_default and reached is not None:
                tuned.append((record.sign * reached.mean, finalist))
        best = max(tuned, key=lambda pair: pair[0])[1] if tuned else None
        finalist_of_arm = chosen(arm)
        rows.append(
            html.row(
                title(arm.name),
                over_seeds(_reached(record, arm.default)),
                over_seeds(_reached(record, best)),
                _gain_cell(record, best, arm.default),
                _name(finalist_of_arm) if finalist_of_arm else "none yet",
            )
        )
    header = html.head("Arm", "Default", "Best tuned", "Gain of tuning", "Chosen")
    return html.scroll("Default beside tuned", html.table(header, rows))


def _name(finalist: FinalistRecord) -> str:
    return "default" if finalist.is_default else f"trial {finalist.trial_number}"


def _gain_cell(
    record: StudyRecord, tuned: FinalistRecord | None, default: FinalistRecord | None
) -> Markup:
    left = objective_by_seed(record, tuned, "valid")
    right = objective_by_seed(record, default, "valid")
    if not left.keys() & right.keys():
        return html.number(html.tag("small", "not comparable"))
    difference = gain(left, right, maximize=record.maximize)
    return html.number(marked(difference), CLASSES[difference.mark])


def _luck(record: StudyRecord, arms: Sequence[ArmRecord]) -> Markup:
    """Say what the best trials lost when new seeds trained them."""
    shrunk = [each for arm in arms if (each := shrinkage(record, arm)) is not None]
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
        return html.note(said)
    average = mean(each.lost for each in shrunk)
    lost = "lost nothing"
    if average > 0:
        lost = f"lost {numbers.metric(average)}: the best of several was partly lucky"
    return html.note(f"{said} On average over {len(shrunk)} arms, best trials {lost}.")


def _every_finalist(
    record: StudyRecord, finalists: Sequence[tuple[ArmRecord, FinalistRecord]]
) -> Markup:
    rows = []
    for arm, finalist in finalists:
        seeds = str(len(finalist.runs))
        reached = over_seeds(_reached(record, finalist))
        is_chosen = "chosen" if finalist.chosen else ""
        rows.append(html.row(title(arm.name), _name(finalist), seeds, reached, is_chosen))
    intervals = "≈: one seed gives no interval."
    if _has_several_seeds(finalists):
        intervals = "▲ ▼: the uncorrected 95 % interval over paired seeds excludes 0."
    header = html.head("Arm", "Finalist", "Seeds", "Validation", "")
    heading = f"All {len(rows)} finalists" if len(rows) > 1 else "The only finalist"
    every_finalist = html.details(heading, html.scroll("All finalists", html.table(header, rows)))
    return html.join([html.note(intervals), every_finalist])
