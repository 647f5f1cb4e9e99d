"""Top trials: the best configurations of every arm."""

from collections.abc import Sequence

from markupsafe import Markup

from hinet_search.report import html, numbers, record_facts
from hinet_search.report.sections import Card, NotApplicable
from hinet_search.results.records import ArmRecord, TrialRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

ORDER = 55
SHOWN = 20
COLUMNS = 6


def build(record: StudyRecord) -> Card:
    """Build the tables of the twenty best trials per arm, folded."""
    blocks = []
    for arm in record_facts.ordered_arms(record):
        trials = record_facts.ranked(record, arm.trials)
        if trials:
            parts = [_table(arm, trials[:SHOWN])]
            left = len(trials) - SHOWN
            if left > 0:
                more = numbers.plural(left, "more trial")
                parts.append(
                    html.note(f"{more} and all other settings are in the JSON in this file.")
                )
            name = f"{title(arm.name)}: best {min(SHOWN, len(trials))} of {len(trials)}"
            blocks.append(html.details(name, html.join(parts)))
    if not blocks:
        raise NotApplicable("needs a finished trial; no arm has one yet")
    lead = (
        f"Complete trials by {record_facts.objective_in_words(record)} on validation, "
        "one seed each. "
        "A small name is the origin of a configuration that was not drawn. "
        "Neighbours usually differ by less than seeds do, so several of them were retrained."
    )
    return Card(
        "top-trials", "Search", "Best trials of every arm", lead, html.folds(blocks), folded=True
    )


def _table(arm: ArmRecord, trials: Sequence[TrialRecord]) -> Markup:
    """Return a row per trial, with at most six settings.

    They are in the order of their importance, then of the space; a name has its last two words,
    which are distinct and fit a column.
    """
    present: set[str] = set()
    for trial in trials:
        present.update(trial.parameters)
    searched = [searched.name for searched in arm.ranges if searched.name in present]
    names = sorted(searched, key=lambda name: -arm.importances.get(name, 0.0))[:COLUMNS]
    titles = []
    for name in names:
        words = name.split(".")
        short = ".".join(words[-2:]) if len(words) > 2 else words[-1]
        titles.append(html.tag("code", short))
    rows = []
    for trial in trials:
        values = []
        for name in names:
            is_set = name in trial.parameters
            values.append(numbers.setting(trial.parameters[name]) if is_set else numbers.DASH)
        time = numbers.duration(trial.cost.seconds) if trial.cost else numbers.DASH
        rows.append(
            html.row(_named(arm, trial), numbers.metric(trial.value), html.cells(values), time)
        )
    header = html.head("Trial", "Validation", html.columns(titles), "Time")
    label = f"Best trials of {title(arm.name)}"
    return html.table(label, header, rows, class_="sort trials")


def _named(arm: ArmRecord, trial: TrialRecord) -> html.Content:
    """Return the number of a trial, with the origin of its configuration unless it was drawn."""
    if trial.is_default or arm.start_of(trial):
        return html.remarked(str(trial.number), arm.origin_of(trial))
    return str(trial.number)
