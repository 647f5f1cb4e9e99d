"""Failures: how many trials failed or did not count, by cause."""

from collections import defaultdict

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


def build(record: StudyRecord) -> Card:
    """Build one row per arm and cause: failed trials and frequent causes first."""
    lines = []
    for arm in record.arms:
        by_kind: dict[str, list[TrialRecord]] = defaultdict(list)
        for trial in arm.trials:
            by_kind[trial.state if trial.counts else "not counted"].append(trial)
        for kind in SHOWN:
            for cause, trials in trials_by_cause(by_kind[kind]).items():
                lines.append((kind, title(arm.name), cause, trials))
    if not lines:
        raise NotApplicable("needs a trial that failed or did not count; there is none")
    rows = []
    for kind, name, cause, trials in sorted(
        lines, key=lambda line: (SHOWN.index(line[0]), -len(line[3]))
    ):
        ended = html.words(kind, class_="loss" if kind == "failed" else "")
        listed = ", ".join(str(trial.number) for trial in trials[:MOST_NUMBERS])
        if len(trials) > MOST_NUMBERS:
            listed += ", …"
        told = html.words(shortened(cause, MOST_LETTERS))
        rows.append(html.row(name, ended, told, numbers.compact(len(trials)), listed))
    header = html.head("Arm", "Ended", "Cause", "Trials", "Numbers", numeric_from=3)
    body = html.table("Failed trials", header, rows[:MOST_CAUSES])
    rest = rows[MOST_CAUSES:]
    if rest:
        more = html.table("More causes", header, rest)
        body += html.details(numbers.plural(len(rest), "more cause"), more)
    num_failed = sum(arm.num_failed for arm in record.arms)
    total = numbers.plural(sum(len(arm.trials) for arm in record.arms), "trial")
    heading = f"{num_failed or 'None'} of {total} failed"
    lead = "A failed trial costs its arm a try. Trials that did not count cost none."
    return Card("failures", "Search", heading, lead, body, folded=True)
