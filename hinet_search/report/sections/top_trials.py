"""Top trials: the best configurations of every arm."""

from collections.abc import Sequence

from markupsafe import Markup

from hinet_search.compare import title
from hinet_search.records import ArmRecord, StudyRecord, TrialRecord
from hinet_search.report import numbers, reading
from hinet_search.report.card import Card, NotApplicable
from hinet_search.report.markup import column, details, folds, head, join, note, row, scroll, table, tag

ORDER = 55
SHOWN = 20
COLUMNS = 6


def build(record: StudyRecord) -> Card:
    """Twenty best trials per arm, all of them in the JSON."""
    ranked = [(arm, trials) for arm in reading.ordered_arms(record) if (trials := reading.ranked(record, arm))]
    if not ranked:
        raise NotApplicable("needs a finished trial; no arm has one yet")
    body = [
        details(
            f"{title(arm.name)}: best {min(SHOWN, len(trials))} of {len(trials)}",
            _arm(arm, trials),
        )
        for arm, trials in ranked
    ]
    lead = (
        f"Complete trials by {reading.objective_in_words(record)} on validation, one seed each. Neighbours usually differ by less than the seeds "
        "do, which is why several of them were retrained."
    )
    return Card("top-trials", "Search", "Best trials of every arm", lead, folds(body))


def _arm(arm: ArmRecord, trials: Sequence[TrialRecord]) -> Markup:
    names = _varied(arm, trials[:SHOWN])
    parts = [_table(f"Best trials of {title(arm.name)}", trials[:SHOWN], names)]
    left = len(trials) - SHOWN
    if left > 0:
        parts.append(
            note(f"{numbers.plural(left, 'more trial')} and all other settings are in the JSON inside this file.")
        )
    return join(parts)


def _varied(arm: ArmRecord, trials: Sequence[TrialRecord]) -> list[str]:
    """The settings that mattered most, then the others as the space names them; at most six fit beside each other."""
    present = {name for trial in trials for name in trial.parameters}
    searched = [searched.name for searched in arm.ranges if searched.name in present]
    return sorted(searched, key=lambda name: -arm.importances.get(name, 0.0))[:COLUMNS]


def _table(label: str, trials: Sequence[TrialRecord], names: Sequence[str]) -> Markup:
    header = head("Trial", "Validation", *(column(tag("code", _short(name)), "r") for name in names), "Time")
    rows = [
        row(
            join([str(trial.number), tag("small", " default") if trial.is_default else ""]),
            numbers.metric(trial.value),
            *(numbers.setting(trial.parameters[name]) if name in trial.parameters else numbers.DASH for name in names),
            numbers.duration(trial.cost.seconds) if trial.cost else numbers.DASH,
        )
        for trial in trials
    ]
    return scroll(label, table(header, rows, class_="sort trials"))


def _short(name: str) -> str:
    """The last two words of a dotted name, which tell settings apart and fit a column."""
    return ".".join(name.split(".")[-2:]) if name.count(".") > 1 else name.rsplit(".", 1)[-1]
