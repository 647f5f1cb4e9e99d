"""Failures: how many trials failed or did not count, by cause."""

from collections import defaultdict

from markupsafe import Markup

from hinet_search.report import html, numbers
from hinet_search.report.sections import Card, NotApplicable
from hinet_search.results.causes import shortened, trials_by_cause
from hinet_search.results.records import TrialRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

ORDER = 56
MOST_CAUSES = 20
MOST_LETTERS = 160
MOST_NUMBERS = 6
SHOWN = ("failed", "not counted")

Key = tuple[str, str, str]  # kind, arm, cause


def build(record: StudyRecord) -> Card:
    """Build one row per arm and cause of failed and uncounted trials."""
    num_failed = sum(arm.num_failed for arm in record.arms)
    rows = []
    for (kind, arm, cause), trials in _grouped(record).items():
        ended = html.words(kind, class_="loss" if kind == "failed" else "")
        rows.append(html.row(arm, ended, _cells(cause, trials)))
    if not rows:
        raise NotApplicable("needs a trial that failed or did not count; there is none")
    total = numbers.plural(sum(len(arm.trials) for arm in record.arms), "trial")
    heading = f"{num_failed or 'None'} of {total} failed"
    lead = "A failed trial costs its arm a try. Trials that did not count cost none."
    return Card("failures", "Search", heading, lead, _table(rows), folded=True)


def _cells(cause: str, trials: list[int]) -> Markup:
    listed = ", ".join(str(number) for number in trials[:MOST_NUMBERS])
    if len(trials) > MOST_NUMBERS:
        listed += ", …"
    return html.cells(
        [html.words(shortened(cause, MOST_LETTERS)), numbers.compact(len(trials)), listed]
    )


def _grouped(record: StudyRecord) -> dict[Key, list[int]]:
    """Return trial numbers by kind, arm and cause: failed trials and frequent causes first."""
    grouped: dict[Key, list[int]] = {}
    for arm in record.arms:
        by_kind: dict[str, list[TrialRecord]] = defaultdict(list)
        for trial in arm.trials:
            by_kind[trial.state if trial.counts else "not counted"].append(trial)
        for kind in SHOWN:
            for cause, trials in trials_by_cause(by_kind[kind]).items():
                grouped[kind, title(arm.name), cause] = [trial.number for trial in trials]
    return dict(sorted(grouped.items(), key=lambda pair: (SHOWN.index(pair[0][0]), -len(pair[1]))))


def _table(rows: list[Markup]) -> Markup:
    header = html.head("Arm", "Ended", "Cause", "Trials", "Numbers", numeric_from=3)
    parts = [html.scroll("Failed trials", html.table(header, rows[:MOST_CAUSES]))]
    rest = rows[MOST_CAUSES:]
    if rest:
        more = html.scroll("More causes", html.table(header, rest))
        parts.append(html.details(numbers.plural(len(rest), "more cause"), more))
    return html.join(parts)
