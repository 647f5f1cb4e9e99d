"""Pruning: how much training was saved by stopping bad trials early."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from hinet_search.report.card import Card, NotApplicable
from hinet_search.report.drawing import numbers
from hinet_search.report.drawing.figures import bar
from hinet_search.report.drawing.html import details, head, note, row, scroll, table, unnamed
from hinet_search.report.facts import record as record_facts
from hinet_search.results.records import ArmRecord, TrialRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

ORDER = 57


@dataclass(frozen=True)
class PruningSavings:
    """One arm: its pruned trials, their trained and planned passes, and the seconds saved."""

    name: str
    pruned: int
    trials: int
    trained: float
    planned: float
    seconds: float

    @property
    def share(self) -> float:
        """Saved share of the passes planned for the pruned trials."""
        return (self.planned - self.trained) / self.planned if self.planned else 0.0


def build(record: StudyRecord) -> Card:
    """Build one row per arm with pruned trials."""
    savings = [_savings(record, arm) for arm in record_facts.ordered_arms(record)]
    savings = [arm for arm in savings if arm.pruned]
    if not savings:
        raise NotApplicable("needs a pruned trial with its evaluations; none was pruned")
    lead = (
        f"Pruner: {record.pruner}, the same rule in every arm. Passes of pruned trials, against "
        f"the {numbers.plural(record.budget.passes, 'pass')} that a trial may take."
    )
    explained = note(
        "Time: if each pruned trial had run to its last pass at its own speed. "
        "The value that it would have reached is not known."
    )
    body = explained + details("Saved training by arm", _table(savings))
    return Card("pruning", "Search", _heading(savings), lead, body, half=True)


def _heading(savings: Sequence[PruningSavings]) -> str:
    planned = sum(arm.planned for arm in savings)
    share = sum(arm.planned - arm.trained for arm in savings) / planned
    time = numbers.duration(sum(arm.seconds for arm in savings))
    trials = numbers.plural(sum(arm.pruned for arm in savings), "pruned trial")
    return f"{trials} saved {numbers.percent(share)} of their passes, about {time} of training"


def _savings(record: StudyRecord, arm: ArmRecord) -> PruningSavings:
    pruned = [
        (trial, _reached(trial)) for trial in arm.trials if trial.state == "pruned" and trial.counts
    ]
    known = [(trial, passes) for trial, passes in pruned if 0 < passes <= record.budget.passes]
    saved = 0.0
    for trial, passes in known:
        saved += trial.evaluations[-1].seconds * (record.budget.passes / passes - 1)
    counted = sum(trial.counts and trial.state != "running" for trial in arm.trials)
    return PruningSavings(
        title(arm.name),
        len(known),
        counted,
        sum(passes for _, passes in known),
        record.budget.passes * len(known),
        saved,
    )


def _reached(trial: TrialRecord) -> float:
    return trial.evaluations[-1].passes if trial.evaluations else 0.0


def _table(savings: Sequence[PruningSavings]) -> Markup:
    rows = [
        row(
            arm.name,
            f"{arm.pruned} of {arm.trials}",
            f"{numbers.plain(arm.trained)} of {numbers.plain(arm.planned)}",
            bar(arm.share),
            numbers.percent(arm.share),
            numbers.duration(arm.seconds),
        )
        for arm in savings
    ]
    header = head("Arm", "Pruned trials", "Their passes", unnamed("drawn"), "Saved", "Time")
    return scroll("Saved by pruning", table(header, rows, class_="cost"))
