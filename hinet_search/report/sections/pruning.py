"""Pruning: how much training was saved by stopping bad trials early."""

from hinet_search.report import html, numbers, record_facts
from hinet_search.report.figures import bar
from hinet_search.report.sections import Card, NotApplicable
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

ORDER = 57


def build(record: StudyRecord) -> Card:
    """Build one row per arm with pruned trials."""
    passes = record.budget.passes
    rows = []
    num_pruned = 0
    trained = 0.0  # passes
    saved = 0.0  # seconds
    for arm in record_facts.ordered_arms(record):
        ends = []
        for trial in arm.trials:
            if trial.state == "pruned" and trial.counts and trial.evaluations:
                last = trial.evaluations[-1]
                if 0 < last.passes <= passes:
                    ends.append(last)
        if not ends:
            continue
        planned_of_arm = passes * len(ends)
        trained_of_arm = sum(last.passes for last in ends)
        saved_of_arm = sum(last.seconds * (passes / last.passes - 1) for last in ends)
        share = (planned_of_arm - trained_of_arm) / planned_of_arm
        rows.append(
            html.row(
                title(arm.name),
                f"{len(ends)} of {arm.trials_done}",
                f"{numbers.plain(trained_of_arm)} of {numbers.plain(planned_of_arm)}",
                bar(share),
                numbers.percent(share),
                numbers.duration(saved_of_arm),
            )
        )
        num_pruned += len(ends)
        trained += trained_of_arm
        saved += saved_of_arm
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
    content = html.table("Saved by pruning", header, rows, class_="cost")
    share = 1 - trained / (passes * num_pruned)
    heading = (
        f"{numbers.plural(num_pruned, 'pruned trial')} saved {numbers.percent(share)} of their "
        f"passes, about {numbers.duration(saved)} of training"
    )
    return Card("pruning", "Search", heading, lead, content + explained, folded=True)
