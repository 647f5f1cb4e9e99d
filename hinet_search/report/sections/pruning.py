"""Pruning: how much training was saved by stopping bad trials early."""

from dataclasses import dataclass

from hinet_search.report import html, numbers, record_facts
from hinet_search.report.figures import bar
from hinet_search.report.sections import Card, NotApplicable
from hinet_search.results.records import ArmRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

ORDER = 57


@dataclass(frozen=True)
class PruningSavings:
    """One arm: its pruned trials, their trained and planned passes, and the seconds saved."""

    pruned: int
    trained: float
    planned: float
    seconds: float


def build(record: StudyRecord) -> Card:
    """Build one row per arm with pruned trials."""
    rows = []
    of_arms = []
    for arm in record_facts.ordered_arms(record):
        savings = _savings(record, arm)
        if savings.pruned:
            of_arms.append(savings)
            share = (savings.planned - savings.trained) / savings.planned
            passes = f"{numbers.plain(savings.trained)} of {numbers.plain(savings.planned)}"
            rows.append(
                html.row(
                    title(arm.name),
                    f"{savings.pruned} of {arm.trials_done}",
                    passes,
                    bar(share),
                    numbers.percent(share),
                    numbers.duration(savings.seconds),
                )
            )
    if not rows:
        raise NotApplicable("needs a pruned trial with its evaluations; none was pruned")
    lead = (
        f"Pruner: {record.pruner}, the same rule in every arm. Passes of pruned trials, against "
        f"the {numbers.plural(record.budget.passes, 'pass')} that a trial may take."
    )
    explained = html.note(
        "Time: if each pruned trial had run to its last pass at its own speed. "
        "The value that it would have reached is not known."
    )
    header = html.head(
        "Arm", "Pruned trials", "Their passes", html.unnamed("drawn"), "Saved", "Time"
    )
    content = html.scroll("Saved by pruning", html.table(header, rows, class_="cost"))
    planned = sum(savings.planned for savings in of_arms)
    saved = sum(savings.planned - savings.trained for savings in of_arms) / planned
    time = numbers.duration(sum(savings.seconds for savings in of_arms))
    trials = numbers.plural(sum(savings.pruned for savings in of_arms), "pruned trial")
    heading = f"{trials} saved {numbers.percent(saved)} of their passes, about {time} of training"
    return Card("pruning", "Search", heading, lead, content + explained, folded=True)


def _savings(record: StudyRecord, arm: ArmRecord) -> PruningSavings:
    planned = record.budget.passes
    pruned = 0
    trained = 0.0
    seconds = 0.0
    for trial in arm.trials:
        if trial.state == "pruned" and trial.counts and trial.evaluations:
            last = trial.evaluations[-1]
            if 0 < last.passes <= planned:
                pruned += 1
                trained += last.passes
                seconds += last.seconds * (planned / last.passes - 1)
    return PruningSavings(pruned, trained, planned * pruned, seconds)
