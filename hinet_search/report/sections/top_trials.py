"""Top trials: the best configurations of every arm."""

from collections.abc import Sequence

from markupsafe import Markup

from hinet_search.report.card import Card, NotApplicable
from hinet_search.report.drawing import numbers
from hinet_search.report.drawing.html import (
    column,
    details,
    folds,
    head,
    join,
    note,
    row,
    scroll,
    table,
    tag,
)
from hinet_search.report.facts import record as record_facts
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
        trials = record_facts.ranked(record, arm)
        if trials:
            name = f"{title(arm.name)}: best {min(SHOWN, len(trials))} of {len(trials)}"
            blocks.append(details(name, _arm(arm, trials)))
    if not blocks:
        raise NotApplicable("needs a finished trial; no arm has one yet")
    lead = (
        f"Complete trials by {record_facts.objective_in_words(record)} on validation, "
        "one seed each. "
        "Neighbours usually differ by less than seeds do, so several of them were retrained."
    )
    return Card("top-trials", "Search", "Best trials of every arm", lead, folds(blocks))


def _arm(arm: ArmRecord, trials: Sequence[TrialRecord]) -> Markup:
    names = _varied(arm, trials[:SHOWN])
    parts = [_table(f"Best trials of {title(arm.name)}", trials[:SHOWN], names)]
    left = len(trials) - SHOWN
    if left > 0:
        more = numbers.plural(left, "more trial")
        parts.append(note(f"{more} and all other settings are in the JSON in this file."))
    return join(parts)


def _varied(arm: ArmRecord, trials: Sequence[TrialRecord]) -> list[str]:
    """Return at most six settings, the most important first, then in the order of the space."""
    present = {name for trial in trials for name in trial.parameters}
    searched = [searched.name for searched in arm.ranges if searched.name in present]
    return sorted(searched, key=lambda name: -arm.importances.get(name, 0.0))[:COLUMNS]


def _table(label: str, trials: Sequence[TrialRecord], names: Sequence[str]) -> Markup:
    settings = [column(tag("code", _short(name)), "r") for name in names]
    header = head("Trial", "Validation", *settings, "Time")
    rows = [_row(trial, names) for trial in trials]
    return scroll(label, table(header, rows, class_="sort trials"))


def _row(trial: TrialRecord, names: Sequence[str]) -> Markup:
    settings = [numbers.DASH] * len(names)
    for index, name in enumerate(names):
        if name in trial.parameters:
            settings[index] = numbers.setting(trial.parameters[name])
    return row(
        join([str(trial.number), tag("small", " default") if trial.is_default else ""]),
        numbers.metric(trial.value),
        *settings,
        numbers.duration(trial.cost.seconds) if trial.cost else numbers.DASH,
    )


def _short(name: str) -> str:
    """Return the last two words of a dotted name, which are distinct and fit a column."""
    return ".".join(name.split(".")[-2:]) if name.count(".") > 1 else name.rsplit(".", 1)[-1]
