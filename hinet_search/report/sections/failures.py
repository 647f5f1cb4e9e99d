"""Failures: which trials failed, were pruned or did not count, and why, counted."""

from collections import defaultdict

from markupsafe import Markup

from hinet_search.compare import title
from hinet_search.records import StudyRecord
from hinet_search.report import numbers
from hinet_search.report.card import Card, NotApplicable
from hinet_search.report.markup import details, head, join, note, row, scroll, table, words

ORDER = 56
MOST_CAUSES = 20
MOST_LETTERS = 160
MOST_NUMBERS = 6

Key = tuple[str, str, str]  # kind, arm, cause


def build(record: StudyRecord) -> Card:
    """One row per arm and cause of what failed or did not count; where trials were pruned stands behind a click."""
    if not any(arm.trials for arm in record.arms):
        raise NotApplicable("needs a trial; none has been asked for yet")
    grouped = _grouped(record)
    failed = sum(len(trials) for (kind, _, _), trials in grouped.items() if kind == "failed")
    total = sum(len(arm.trials) for arm in record.arms)
    counted = f"{numbers.compact(total)} {'trial' if total == 1 else 'trials'}"
    heading = f"{numbers.compact(failed)} of {counted} failed" if failed else f"None of {counted} failed"
    lead = (
        "A failed trial leaves its arm with fewer tries; a pruned one was stopped early by the same rule in every arm."
    )
    lost = {key: trials for key, trials in grouped.items() if key[0] != "pruned"}
    pruned = {key: trials for key, trials in grouped.items() if key[0] == "pruned"}
    body = join([_lost(lost), _pruned(pruned) if pruned else ""])
    return Card("failures", "Search", heading, lead, body, half=not lost)


def _grouped(record: StudyRecord) -> dict[Key, list[int]]:
    grouped: dict[Key, list[int]] = defaultdict(list)
    for arm in record.arms:
        for trial in arm.trials:
            kind = trial.state if trial.counts else "not counted"
            if kind in ("failed", "pruned", "not counted"):
                cause = _first_line(trial.cause)
                grouped[kind, title(arm.name), _without_value(cause) if kind == "pruned" else cause].append(
                    trial.number
                )
    order = {"failed": 0, "not counted": 1, "pruned": 2}
    return dict(sorted(grouped.items(), key=lambda pair: (order[pair[0][0]], -len(pair[1]))))


def _without_value(cause: str) -> str:
    """Where a trial was pruned, without the value that it had there: `pruned at pass 1.50`."""
    return cause.split(":", maxsplit=1)[0]


def _first_line(cause: str) -> str:
    first = cause.strip().split("\n")[0] or "no cause recorded"
    return first if len(first) <= MOST_LETTERS else f"{first[:MOST_LETTERS]}…"


def _lost(grouped: dict[Key, list[int]]) -> Markup:
    if not grouped:
        return note("Every trial ran to its end or was pruned.")
    rows = [
        row(
            arm,
            words(kind, class_="loss" if kind == "failed" else ""),
            words(cause),
            numbers.compact(len(trials)),
            _listed(trials),
        )
        for (kind, arm, cause), trials in grouped.items()
    ]
    header = head("Arm", "Ended", "Cause", "Trials", "Numbers", numeric_from=3)
    parts = [scroll("Failed trials", table(header, rows[:MOST_CAUSES]))]
    if rest := rows[MOST_CAUSES:]:
        parts.append(details(f"{numbers.plural(len(rest), 'more cause')}", scroll("More causes", table(header, rest))))
    return join(parts)


def _pruned(grouped: dict[Key, list[int]]) -> Markup:
    count = numbers.plural(sum(len(trials) for trials in grouped.values()), "pruned trial")
    rows = [
        row(arm, words(cause), numbers.compact(len(trials)), _listed(trials))
        for (_, arm, cause), trials in grouped.items()
    ]
    header = head("Arm", "Where", "Trials", "Numbers", numeric_from=2)
    return details(f"Where {count} stopped", scroll("Pruned trials", table(header, rows)))


def _listed(trials: list[int]) -> str:
    shown = ", ".join(str(number) for number in trials[:MOST_NUMBERS])
    return shown if len(trials) <= MOST_NUMBERS else f"{shown}, …"
