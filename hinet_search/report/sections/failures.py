"""Failures: how many trials failed, were pruned or did not count, by cause."""

from collections import Counter, defaultdict

from markupsafe import Markup

from hinet_search.report.card import Card, NotApplicable
from hinet_search.report.drawing import html, numbers
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
    total = sum(len(arm.trials) for arm in record.arms)
    if not total:
        raise NotApplicable("needs a trial; none has been asked for yet")
    num_trials: Counter[str] = Counter()
    lost = []
    pruned = []
    for (kind, arm, cause), trials in _grouped(record).items():
        num_trials[kind] += len(trials)
        of_cause = _cells(cause, trials)
        if kind == "pruned":
            pruned.append(html.row(arm, of_cause))
        else:
            ended = html.words(kind, class_="loss" if kind == "failed" else "")
            lost.append(html.row(arm, ended, of_cause))
    failed = num_trials["failed"]
    body = [_lost(lost) if lost else html.note("Every trial ran to its end or was pruned.")]
    if pruned:
        header = html.head("Arm", "Where", "Trials", "Numbers", numeric_from=2)
        summary = f"Where {numbers.plural(num_trials['pruned'], 'pruned trial')} stopped"
        body.append(html.details(summary, html.scroll("Pruned trials", html.table(header, pruned))))
    of = f"{numbers.compact(total)} {'trial' if total == 1 else 'trials'}"
    heading = f"{numbers.compact(failed) if failed else 'None'} of {of} failed"
    lead = (
        "A failed trial costs its arm a try; pruned trials were stopped early, "
        "by the same rule in every arm."
    )
    return Card("failures", "Search", heading, lead, html.join(body), half=not lost)


def _cells(cause: str, trials: list[int]) -> Markup:
    listed = ", ".join(str(number) for number in trials[:MOST_NUMBERS])
    if len(trials) > MOST_NUMBERS:
        listed += ", …"
    return html.cells(
        [html.words(shortened(cause, MOST_LETTERS)), numbers.compact(len(trials)), listed]
    )


def _grouped(record: StudyRecord) -> dict[Key, list[int]]:
    """Return trial numbers by kind, arm and cause: failed trials and frequent causes first.

    Causes of pruned trials are where they were pruned: `pruned at pass 1.50`.
    """
    grouped: dict[Key, list[int]] = {}
    for arm in record.arms:
        by_kind: dict[str, list[TrialRecord]] = defaultdict(list)
        for trial in arm.trials:
            by_kind[trial.state if trial.counts else "not counted"].append(trial)
        for kind in SHOWN:
            groups: dict[str, list[TrialRecord]] = defaultdict(list)
            if kind == "pruned":
                for trial in by_kind[kind]:
                    groups[trial.cause.split(":", maxsplit=1)[0]].append(trial)
            else:
                groups = trials_by_cause(by_kind[kind])
            for cause, trials in groups.items():
                grouped[kind, title(arm.name), cause] = [trial.number for trial in trials]
    return dict(sorted(grouped.items(), key=lambda pair: (SHOWN.index(pair[0][0]), -len(pair[1]))))


def _lost(rows: list[Markup]) -> Markup:
    header = html.head("Arm", "Ended", "Cause", "Trials", "Numbers", numeric_from=3)
    parts = [html.scroll("Failed trials", html.table(header, rows[:MOST_CAUSES]))]
    rest = rows[MOST_CAUSES:]
    if rest:
        more = html.scroll("More causes", html.table(header, rest))
        parts.append(html.details(numbers.plural(len(rest), "more cause"), more))
    return html.join(parts)
