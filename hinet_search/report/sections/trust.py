"""Trust: what to know before believing the numbers, warnings first, then the checks that passed."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from hinet_search.compare import SEEDS_FOR_A_CLAIM, in_words, title, trials_done
from hinet_search.records import StudyRecord, TrialRecord
from hinet_search.report import numbers, reading
from hinet_search.report.card import Card
from hinet_search.report.markup import tag

ORDER = 60


@dataclass(frozen=True)
class Finding:
    """One line: a warning, or a check that passed. `subject` is set in bold."""

    warns: bool
    subject: str
    rest: str = ""


def build(record: StudyRecord) -> Card:
    """All findings; there is always at least one check."""
    findings = [finding for check in CHECKS for finding in check(record)]
    warnings = [finding for finding in findings if finding.warns]
    lines = [
        tag(
            "li",
            tag("b", finding.subject) if finding.warns else finding.subject,
            f" {finding.rest}" if finding.rest else "",
            class_="warn" if finding.warns else "",
        )
        for finding in [*warnings, *(finding for finding in findings if not finding.warns)]
    ]
    count = numbers.spelled(len(warnings)).capitalize()
    heading = f"{count} {'thing' if len(warnings) == 1 else 'things'} to know before you trust this"
    lead = "Checks of this study; what needs attention comes first."
    return Card("trust", "Trust", heading if warnings else "Every check passed", lead, tag("ul", *lines, class_="chk"))


def _data(record: StudyRecord) -> Iterator[Finding]:
    for warning in record.data.warnings:
        yield Finding(warns=True, subject="Data.", rest=warning)
    if not record.data.warnings:
        yield Finding(warns=False, subject="The data agree with their definition")
    yield Finding(warns=False, subject=f"Split: {record.data.split}")


def _positives(record: StudyRecord) -> Iterator[Finding]:
    scarce = reading.scarce_cells(record)
    for cell, positives in scarce[:5]:
        count = "no positive row" if positives == 0 else numbers.plural(positives, "positive row")
        yield Finding(
            warns=True,
            subject=f"{cell} has {count} in test.",
            rest="Its AUC moves by more than arms differ: read it as unknown.",
        )
    if len(scarce) > 5:
        yield Finding(
            warns=True,
            subject=f"{len(scarce) - 5} more cells have fewer than {reading.FEW_POSITIVES} positive rows in test.",
            rest="See the table by cell.",
        )
    if not scarce and record.data.cells:
        fewest = min(record.data.cells, key=lambda cell: cell.positives[2])
        cell = reading.cell_in_words(fewest.scenario, fewest.task)
        rows = numbers.plural(fewest.positives[2], "positive row")
        yield Finding(warns=False, subject=f"Every cell has {rows} or more in test (fewest: {cell})")


def _edges(record: StudyRecord) -> Iterator[Finding]:
    clean = True
    for arm in record.arms:
        edges = reading.at_the_edge(record, arm)
        clean = clean and not edges
        if edges:
            listed = ", ".join(f"{searched.name} = {numbers.setting(value)}" for searched, value, _ in edges)
            yield Finding(
                warns=True,
                subject=f"{title(arm.name)} has its best value at the edge of a range:",
                rest=f"{listed}. A wider range may hold a better one.",
            )
    if clean and any(arm.trials for arm in record.arms):
        yield Finding(warns=False, subject="No best value lies at the edge of its range")


def _budgets(record: StudyRecord) -> Iterator[Finding]:
    counts = {title(arm.name): trials_done(arm) for arm in record.arms}
    if not counts or not max(counts.values()):
        return
    short = {name: count for name, count in counts.items() if count < record.budget.trials}
    if short and record.state == "done":
        subject = f"Ended with fewer than its budget of {numbers.plural(record.budget.trials, 'trial')}:"
        yield Finding(warns=True, subject=subject, rest=f"{_counted(short)}. {_why_short(record)}")
    elif len(set(counts.values())) > 1:
        yield Finding(warns=True, subject="Arms had unequal numbers of trials:", rest=f"{_counted(counts)}.")
    else:
        each, arms = numbers.plural(max(counts.values()), "trial"), numbers.plural(len(counts), "arm")
        yield Finding(warns=False, subject=f"{each} for each of {arms}")


def _cost_limit(record: StudyRecord) -> Iterator[Finding]:
    """How much an arm may spend on a row, and the draws that were refused because they asked for more."""
    limit = record.budget.cost_limit
    times = "" if limit is None else f"{limit:g} times the FLOPs per row of the default HiNet"
    subject = f"Limit of cost: {times}" if times else "No limit of cost: a draw may need any number of FLOPs per row"
    refused = [(title(arm.name), sum(_too_large(trial) for trial in arm.trials)) for arm in record.arms]
    counts = {name: count for name, count in refused if count}
    if counts:
        cause = next(trial.cause for arm in record.arms for trial in arm.trials if _too_large(trial))
        subject, rest = f"{subject}; draws not trained: {_counted(counts)}", f"(the first was {cause})"
        yield Finding(warns=False, subject=subject, rest=rest)
    elif any(arm.trials for arm in record.arms):
        yield Finding(warns=False, subject=f"{subject}; no draw was above it" if times else subject)


def _too_large(trial: TrialRecord) -> bool:
    return trial.cause.startswith("too large")


def _counted(trials: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in trials.items())


def _why_short(record: StudyRecord) -> str:
    """A study that is done ends an arm early for two reasons only."""
    nothing_new = "the space of an arm gave nothing new"
    if record.budget.wall_clock_seconds is None:
        return f"{reading.capitalized(nothing_new)}."
    return f"The time of {numbers.duration(record.budget.wall_clock_seconds)} was up, or {nothing_new}."


def _seeds(record: StudyRecord) -> Iterator[Finding]:
    seeds = [len(finalist.runs) for _, finalist in reading.finalists(record)]
    if not seeds:
        return
    if min(seeds) < SEEDS_FOR_A_CLAIM:
        yield Finding(
            warns=True,
            subject=f"Only {numbers.plural(min(seeds), 'seed')} per finalist.",
            rest=f"Fewer than {SEEDS_FOR_A_CLAIM} give an observation, not a claim.",
        )
    else:
        yield Finding(warns=False, subject=f"{min(seeds)} seeds per finalist")


def _openings(record: StudyRecord) -> Iterator[Finding]:
    counts = {
        title(arm.name): sum(any(run.test_cells is not None for run in one.runs) for one in arm.finalists)
        for arm in record.arms
    }
    opened = sum(counts.values())
    if several := [name for name, count in counts.items() if count > 1]:
        yield Finding(
            warns=True,
            subject=f"Test was opened for more than one finalist of {in_words(several)}.",
            rest="Only the one chosen on validation is compared.",
        )
    if record.test_openings > opened:
        yield Finding(
            warns=True,
            subject=f"Test was opened {numbers.plural(record.test_openings, 'time')} on these data,",
            rest=f"{opened} of them by the finalists shown here. Each look makes the test split a little less unseen.",
        )
    elif opened and not several:
        yield Finding(warns=False, subject=f"Test opened once per arm, {numbers.plural(opened, 'time')} in all")


def _failed(record: StudyRecord) -> Iterator[Finding]:
    total = sum(len(arm.trials) for arm in record.arms)
    failed = sum(trial.state == "failed" for arm in record.arms for trial in arm.trials)
    if failed:
        words = f"{numbers.compact(failed)} of {numbers.compact(total)} {'trial' if total == 1 else 'trials'} failed."
        yield Finding(warns=failed > 0.1 * total, subject=words, rest="Causes are listed above.")
    elif total:
        yield Finding(warns=False, subject="No trial failed")


CHECKS: tuple[Callable[[StudyRecord], Iterator[Finding]], ...] = (
    _data,
    _positives,
    _edges,
    _budgets,
    _cost_limit,
    _seeds,
    _openings,
    _failed,
)
