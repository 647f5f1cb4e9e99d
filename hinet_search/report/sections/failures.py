"""Failures: how many trials failed, were pruned or did not count, by cause."""

from collections import defaultdict
from collections.abc import Sequence

from markupsafe import Markup

from hinet_search.report.card import Card, NotApplicable
from hinet_search.report.drawing import numbers
from hinet_search.report.drawing.html import details, head, join, note, row, scroll, table, words
from hinet_search.results.causes import shortened, trials_by_cause
from hinet_search.results.records import TrialRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

ORDER = 56
MOST_CAUSES = 20
MOST_LETTERS = 160
MOST_NUMBERS = 6
SHOWN = ("failed", "not counted", "pruned")

Key = tuple[str, str, str]  # kind, arm, cause


def build(record: StudyRecord) -> Card:
    """Build one row per arm and cause of failed and uncounted trials, and fold the pruned ones."""
    if not any(arm.trials for arm in record.arms):
        raise NotApplicable("needs a trial; none has been asked for yet")
    grouped = _grouped(record)
    failed = sum(len(trials) for (kind, _, _), trials in grouped.items() if kind == "failed")
    total = sum(len(arm.trials) for arm in record.arms)
    trials = f"{numbers.compact(total)} {'trial' if total == 1 else 'trials'}"
    heading = f"{numbers.compact(failed) if failed else 'None'} of {trials} failed"
    lead = (
        "A failed trial costs its arm a try; pruned trials were stopped early, "
        "by the same rule in every arm."
    )
    lost = {key: trials for key, trials in grouped.items() if key[0] != "pruned"}
    pruned = {key: trials for key, trials in grouped.items() if key[0] == "pruned"}
    body = join([_lost(lost), _pruned(pruned) if pruned else ""])
    return Card("failures", "Search", heading, lead, body, half=not lost)


def _grouped(record: StudyRecord) -> dict[Key, list[int]]:
    """Return trial numbers by kind, arm and cause: failed trials and frequent causes first."""
    grouped: dict[Key, list[int]] = {}
    for arm in record.arms:
        by_kind: dict[str, list[TrialRecord]] = defaultdict(list)
        for trial in arm.trials:
            by_kind[trial.state if trial.counts else "not counted"].append(trial)
        for kind in SHOWN:
            group = _by_place(by_kind[kind]) if kind == "pruned" else trials_by_cause(by_kind[kind])
            for cause, trials in group.items():
                grouped[kind, title(arm.name), cause] = [trial.number for trial in trials]
    return dict(sorted(grouped.items(), key=lambda pair: (SHOWN.index(pair[0][0]), -len(pair[1]))))


def _by_place(pruned: Sequence[TrialRecord]) -> dict[str, list[TrialRecord]]:
    """Group pruned trials by where they were pruned: `pruned at pass 1.50`."""
    groups: dict[str, list[TrialRecord]] = defaultdict(list)
    for trial in pruned:
        groups[trial.cause.split(":", maxsplit=1)[0]].append(trial)
    return groups


def _lost(grouped: dict[Key, list[int]]) -> Markup:
    if not grouped:
        return note("Every trial ran to its end or was pruned.")
    rows = [
        row(
            arm,
            words(kind, class_="loss" if kind == "failed" else ""),
            words(shortened(cause, MOST_LETTERS)),
            numbers.compact(len(trials)),
            _listed(trials),
        )
        for (kind, arm, cause), trials in grouped.items()
    ]
    header = head("Arm", "Ended", "Cause", "Trials", "Numbers", numeric_from=3)
    parts = [scroll("Failed trials", table(header, rows[:MOST_CAUSES]))]
    rest = rows[MOST_CAUSES:]
    if rest:
        more = scroll("More causes", table(header, rest))
        parts.append(details(numbers.plural(len(rest), "more cause"), more))
    return join(parts)


def _pruned(grouped: dict[Key, list[int]]) -> Markup:
    count = numbers.plural(sum(len(trials) for trials in grouped.values()), "pruned trial")
    rows = [
        row(
            arm,
            words(shortened(cause, MOST_LETTERS)),
            numbers.compact(len(trials)),
            _listed(trials),
        )
        for (_, arm, cause), trials in grouped.items()
    ]
    header = head("Arm", "Where", "Trials", "Numbers", numeric_from=2)
    return details(f"Where {count} stopped", scroll("Pruned trials", table(header, rows)))


def _listed(trials: list[int]) -> str:
    first = ", ".join(str(number) for number in trials[:MOST_NUMBERS])
    return first if len(trials) <= MOST_NUMBERS else f"{first}, …"
