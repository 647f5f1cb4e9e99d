"""Default beside tuned: validation of every finalist, to show what the search gained."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from markupsafe import Markup

from hinet_search.report import html, numbers, record_facts
from hinet_search.report.figures import over_seeds
from hinet_search.report.sections import NEEDS_FINALISTS, Card, NotApplicable
from hinet_search.results.finalist_values import objective_by_seed
from hinet_search.results.records import ArmRecord, FinalistRecord
from hinet_search.results.statistics.paired_difference import gain, summary
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

ORDER = 51


@dataclass(frozen=True)
class Shrinkage:
    """The best trial's value in the search, with one seed, and its mean over finalist seeds.

    The best of many owes some to its seed: selection bias. Seeds that did not choose it say what
    it is worth. `lost` is how much worse their mean is, below 0 if it is better.
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
    trials = record_facts.ranked(record, arm.trials)
    if len(trials) < 2:
        return None
    best = trials[0]
    for finalist in arm.finalists:
        over_seeds = objective_by_seed(record, finalist, "valid")
        if finalist.trial_number == best.number and over_seeds:
            value = best.value or 0.0
            reached = mean(over_seeds.values())
            lost = record.sign * (value - reached)
            return Shrinkage(arm.name, best.number, value, reached, len(over_seeds), lost)
    return None


def build(record: StudyRecord) -> Card:
    """Build a row per finalist, and what the best trials lost with new seeds."""
    arms = []
    finalists: list[tuple[ArmRecord, FinalistRecord]] = []
    for arm in record_facts.ordered_arms(record):
        if any(finalist.runs for finalist in arm.finalists):
            arms.append(arm)
            finalists += [(arm, finalist) for finalist in arm.finalists]
    if not arms:
        raise NotApplicable(NEEDS_FINALISTS)
    has_several = any(len(finalist.runs) > 1 for _, finalist in finalists)
    seeds = "mean over seeds" if has_several else "1 seed"
    objective = record_facts.capitalized(record_facts.objective_in_words(record))
    lead = (
        f"{objective} on validation, {seeds}. The best of "
        "several finalists looks better than it is; the same rule applies to all arms."
    )
    num_default = sum(finalist.is_default and finalist.chosen for _, finalist in finalists)
    count = f"{num_default or 'None'} of {numbers.plural(len(arms), 'arm')}"
    body = html.join([_table(record, finalists), _selection_bias(record, arms)])
    heading = f"{count} kept the default configuration"
    return Card("default-beside-tuned", "Search", heading, lead, body, folded=True)


def _selection_bias(record: StudyRecord, arms: Sequence[ArmRecord]) -> Markup:
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
        lost = f"lost {numbers.metric(average)}: selection bias of the best of several"
    return html.note(f"{said} On average over {len(shrunk)} arms, best trials {lost}.")


def _table(record: StudyRecord, finalists: Sequence[tuple[ArmRecord, FinalistRecord]]) -> Markup:
    rows = []
    for arm, finalist in finalists:
        seeds = str(len(finalist.runs))
        reached = over_seeds(summary(objective_by_seed(record, finalist, "valid").values()))
        ours = objective_by_seed(record, finalist, "valid")
        defaults = objective_by_seed(record, arm.default, "valid")
        if finalist.is_default or not ours.keys() & defaults.keys():
            gained = html.number(numbers.DASH)
        else:
            gained = html.number(numbers.gain(gain(ours, defaults, maximize=record.maximize).mean))
        is_chosen = "chosen" if finalist.chosen else ""
        name = "default" if finalist.is_default else f"trial {finalist.trial_number}"
        rows.append(html.row(title(arm.name), name, seeds, reached, gained, is_chosen))
    header = html.head("Arm", "Finalist", "Seeds", "Validation", "Over default", "")
    note = "Over default: a mean over paired seeds on the rows that chose the trials; no claim."
    return html.table("All finalists", header, rows) + html.note(note)
