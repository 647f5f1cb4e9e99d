"""Pruning: what stopping bad trials early has saved."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from hinet_search.compare import title
from hinet_search.records import ArmRecord, StudyRecord, TrialRecord
from hinet_search.report import numbers, reading
from hinet_search.report.card import Card, NotApplicable
from hinet_search.report.figures import bar
from hinet_search.report.markup import details, head, note, row, scroll, table, unnamed

ORDER = 57


@dataclass(frozen=True)
class Saved:
    """Of one arm: pruned trials, the passes that they trained and would have trained, and the seconds not spent."""

    name: str
    pruned: int
    trials: int
    trained: float
    planned: float
    seconds: float

    @property
    def share(self) -> float:
        """Of the passes of its pruned trials, had none been pruned."""
        return (self.planned - self.trained) / self.planned if self.planned else 0.0


def build(record: StudyRecord) -> Card:
    """One row per arm."""
    found = [one for arm in reading.ordered_arms(record) if (one := _saved(record, arm)).pruned]
    if not found:
        raise NotApplicable("needs a pruned trial with its evaluations; none was pruned")
    lead = (
        f"Pruner: {record.pruner}, the same rule in every arm. Passes of pruned trials, against the "
        f"{numbers.plural(record.budget.passes, 'pass')} that a trial may take."
    )
    explained = note(
        "Time: had each pruned trial gone on to its last pass at its own pace. What it would have reached is not known."
    )
    return Card(
        "pruning",
        "Search",
        _heading(found),
        lead,
        explained + details("What was left out by arm", _table(found)),
        half=True,
    )


def _heading(found: Sequence[Saved]) -> str:
    pruned, planned = sum(one.pruned for one in found), sum(one.planned for one in found)
    share = sum(one.planned - one.trained for one in found) / planned
    time = numbers.duration(sum(one.seconds for one in found))
    trials = numbers.plural(pruned, "pruned trial")
    return f"{trials} left out {numbers.percent(share)} of their passes, about {time} of training"


def _saved(record: StudyRecord, arm: ArmRecord) -> Saved:
    pruned = [(trial, _reached(trial)) for trial in arm.trials if trial.state == "pruned" and trial.counts]
    known = [(trial, passes) for trial, passes in pruned if 0 < passes <= record.budget.passes]
    counted = sum(trial.counts and trial.state != "running" for trial in arm.trials)
    return Saved(
        title(arm.name),
        len(known),
        counted,
        sum(passes for _, passes in known),
        record.budget.passes * len(known),
        sum(_seconds(trial) * (record.budget.passes / passes - 1) for trial, passes in known),
    )


def _reached(trial: TrialRecord) -> float:
    return trial.evaluations[-1].passes if trial.evaluations else 0.0


def _seconds(trial: TrialRecord) -> float:
    return trial.evaluations[-1].seconds


def _table(found: Sequence[Saved]) -> Markup:
    rows = [
        row(
            one.name,
            f"{one.pruned} of {one.trials}",
            f"{one.trained:.3g} of {one.planned:.3g}",
            bar(one.share),
            numbers.percent(one.share),
            numbers.duration(one.seconds),
        )
        for one in found
    ]
    header = head("Arm", "Pruned trials", "Their passes", unnamed("drawn"), "Left out", "Time")
    return scroll("What pruning left out", table(header, rows, class_="cost"))
