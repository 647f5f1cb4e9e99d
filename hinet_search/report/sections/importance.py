"""Importance: how much AUC the best arm loses on validation if an input's values are shuffled."""

from dataclasses import replace

from hinet_search.report import html, numbers, record_facts
from hinet_search.report.figures import ForestRow, forest
from hinet_search.report.sections import Card, NotApplicable
from hinet_search.results.finalist_values import best_on_validation, chosen
from hinet_search.results.records import ArmRecord
from hinet_search.results.statistics.paired_difference import Difference, gain
from hinet_search.results.statistics.simultaneous import LEVEL
from hinet_search.results.statistics.welch import SEEDS_FOR_A_CLAIM
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

ORDER = 39
MOST_ROWS = 15
MOST_NAMES = 3
LEGEND = (
    "AUC: of each task over the rows of all scenarios, a mean over tasks. Each seed shuffles rows "
    "of its own draw; labels, scenarios and all other inputs stay. Intervals are over seeds "
    "(Student t) and hold for all inputs at once. A small loss does not show that an input is "
    "worth nothing: another one may say the same, and a model trained without it may use that."
)


def build(record: StudyRecord) -> Card:
    """Build a row per input, the one with the largest loss first."""
    measured = [arm for arm in record.arms_and_students if _losses(arm)]
    arm = best_on_validation(record, measured)
    if arm is None:
        raise NotApplicable(
            "needs the best arm on validation, scored on test by a launch of this release"
        )
    losses = sorted(_losses(arm).items(), key=lambda pair: -pair[1].mean)
    rows = [ForestRow(name, "", loss) for name, loss in losses]
    shown = [name for name, loss in losses if loss.mark == "better"]
    heading = f"No single input is shown to matter to {title(arm.name)}"
    if shown:
        names = record_facts.first_few(shown, MOST_NAMES)
        heading = f"Shown to matter to {title(arm.name)}: {', '.join(names)}"
    lead = (
        f"The AUC on validation that {title(arm.name)} loses if the values of one input are "
        f"shuffled among rows. Shown of {len(shown)} of {numbers.plural(len(losses), 'input')}."
    )
    body = [forest(rows[:MOST_ROWS], "Input", "Loss"), html.note(LEGEND)]
    rest = rows[MOST_ROWS:]
    if rest:
        more = numbers.plural(len(rest), "more input")
        body.append(html.details(more, forest(rest, "Input", "Loss")))
    return Card("importance", "Why", heading, lead, html.join(body), folded=True)


def _losses(arm: ArmRecord) -> dict[str, Difference]:
    """Return what the chosen finalist loses without each input; empty if it was not measured."""
    finalist = chosen(arm)
    summary = finalist.summary if finalist else None
    if summary is None:
        return {}
    losses = {}
    for name, lost in summary.importances.items():
        by_seed = dict(zip(summary.seeds, lost, strict=True))
        nothing = dict.fromkeys(by_seed, 0.0)
        level = LEVEL / len(summary.importances)
        losses[name] = gain(by_seed, nothing, maximize=True, level=level)
        if len(lost) < SEEDS_FOR_A_CLAIM:
            lacks = numbers.plural(len(lost), "seed")
            losses[name] = replace(losses[name], lacks=lacks, by_seed=lost)
    return losses
