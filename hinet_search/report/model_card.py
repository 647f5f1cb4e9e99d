"""Model card: describe an exported model for its users, as Markdown, from a study's record.

The card names no paths, hosts or people, and does not cover licences.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from hinet_search.report.checks.calibration import OFF
from hinet_search.report.drawing import numbers
from hinet_search.report.facts import record as record_facts
from hinet_search.report.finding import findings
from hinet_search.report.redact import redact
from hinet_search.report.text.untrusted import plain, table, warned
from hinet_search.results.cells import absent_cells
from hinet_search.results.ensemble_records import ENSEMBLE, TEACHER
from hinet_search.results.finalist_values import chosen, headline_by_seed
from hinet_search.results.records import ArmRecord, CellValue, FinalistRecord
from hinet_search.results.shipping import shipment
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import in_words, title, verdict

LIMITS = (
    "Rows of scenarios that the model does not know are refused.",
    "Values absent or too rare in training count as unknown; runs report their share of rows.",
    "Metrics hold for rows like the study's: measure again for other users, times or policies.",
)


def model_card(
    record: StudyRecord,
    arm: str,
    seeds: Sequence[int],
    notes: Sequence[str],
    trial: int | None = None,
    why: str = "",
) -> str:
    """Return the card of a finalist of an arm or student with these seeds; the chosen by default.

    `notes` extend its limits; `why` says why another than the chosen one is taken. Metrics are of
    validation if it is not opened on test.
    """
    published = redact(record)
    singles = (*published.arms, *published.students)
    exported = next(candidate for candidate in singles if candidate.name == arm)
    finalist = chosen(exported)
    if trial is not None:
        finalist = next(each for each in exported.finalists if each.trial_number == trial)
    assert finalist is not None, "an exported arm has a chosen finalist"
    best = f"the best on validation by {record_facts.objective_in_words(published)}"
    facts = {
        "Configuration": f"trial {finalist.trial_number}, {best if finalist.chosen else why}",
        "Seeds": _seeds_in_words(seeds, len(finalist.runs)),
    }
    cells, subject = _measured(finalist, seeds)
    split = "test" if cells else "validation"
    if not cells:
        cells = next(run for run in finalist.runs if run.seed == seeds[0]).valid_cells
        facts["Test"] = "not opened for this finalist, which its arm did not choose"
    about = _About(exported.name, title(exported.name), facts, cells, subject, (exported,), split)
    return "\n".join(_lines(published, about, notes)) + "\n"


def ensemble_card(record: StudyRecord, notes: Sequence[str]) -> str:
    """Return the card of the study's ensemble; `notes` extend its limits."""
    published, ensemble = redact(record), record.ensemble(ENSEMBLE)
    assert ensemble is not None, "an exported ensemble has a record"
    members = (
        f"{title(member.run.arm)} (trial {member.run.trial_number}, seed {member.run.seed}) "
        f"{numbers.percent(member.weight)}"
        for member in ensemble.members
    )
    facts = {"Members": ", ".join(members)}
    subject = f"weighted mean of the {ensemble.scale} of {len(ensemble.members)} models"
    about = _About(ENSEMBLE, "The ensemble", facts, ensemble.test_cells or (), subject, ())
    return "\n".join(_lines(published, about, notes)) + "\n"


@dataclass(frozen=True)
class _About:
    """What a card is about: its name and title, own facts, cells of `split` and what they are of.

    `first` begins the table of the arms.
    """

    name: str
    title: str
    facts: Mapping[str, str]
    cells: Sequence[CellValue]
    subject: str
    first: tuple[ArmRecord, ...]
    split: str = "test"


def _lines(record: StudyRecord, about: _About, notes: Sequence[str]) -> Iterator[str]:
    data = record.data
    yield f"# {plain(record.name)} / {plain(about.name)}"
    yield ""
    tasks, scenarios = ", ".join(data.tasks), ", ".join(data.scenarios)
    yield plain(f"{about.title} predicts the probabilities of {tasks} for a row of {scenarios}.")
    if absent := record_facts.absent_in_words(absent_cells(data)):
        yield plain(f"{absent} Rows without a task get no probability of it.")
    yield from _facts(record, about.facts)
    yield from _teacher(record, about.first)
    yield from _cells(about.cells, f"On {about.split}, {about.subject}")
    yield from _rivals(record, about.first)
    yield from _warnings(record)
    yield from ("", "### Limits", "", *(f"- {plain(note)}" for note in (*LIMITS, *notes)))


def _facts(record: StudyRecord, own: Mapping[str, str]) -> Iterator[str]:
    data = record.data
    counts = " / ".join(f"{rows:,}" for rows in data.rows)
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    facts = {
        "Data": f"{data.source}, fingerprint {data.fingerprint}",
        "Split": data.split,
        "Rows": f"{counts} in train / valid / test",
        "Trained": f"{record.started[:10]} to {record.updated[:10]} (UTC), on training rows only",
        **own,
        "Test split": f"used {numbers.plural(record.test_accesses, 'time')}",
        "Software": versions or "not recorded",
    }
    yield ""
    yield from (f"- **{name}**: {plain(text)}" for name, text in facts.items())


def _teacher(record: StudyRecord, first: Sequence[ArmRecord]) -> Iterator[str]:
    """Yield what a student learnt from; nothing for an arm."""
    teacher = record.ensemble(TEACHER)
    if teacher is None or not any(arm.student_of for arm in first):
        return
    arms = dict.fromkeys(title(member.run.arm) for member in teacher.members)
    runs = numbers.plural(len(teacher.members), "run")
    text = f"the mean of the {teacher.scale} of {runs} of {in_words(list(arms))}, beside the labels"
    yield f"- **Taught by**: {plain(text)}"


def _seeds_in_words(seeds: Sequence[int], num_seeds: int) -> str:
    if len(seeds) > 1:
        return f"the mean probability of {len(seeds)}: {', '.join(map(str, seeds))}"
    return f"{seeds[0]}, the best on validation of {num_seeds}" if num_seeds > 1 else str(seeds[0])


def _cells(cells: Sequence[CellValue], heading: str) -> Iterator[str]:
    head = ("Cell", "Rows", "Positives", "AUC", "Log loss", "Predicted per positive")
    yield from table(heading, head, map(_cell, cells))
    yield from ("", plain(_calibration(cells)))


def _calibration(cells: Sequence[CellValue]) -> str:
    judged = [
        (cell, cell.calibration) for cell in cells if cell.positives >= record_facts.FEW_POSITIVES
    ]
    off = [cell for cell, ratio in judged if ratio is not None and not 1 / OFF <= ratio <= OFF]
    if off:
        named = ", ".join(record_facts.cell_in_words(cell.scenario, cell.task) for cell in off)
        return f"Not calibrated in {named}: rescale these scores before use as probabilities."
    cells_judged = numbers.plural(len(judged), "cell")
    counted = f"{cells_judged} with at least {record_facts.FEW_POSITIVES} positives"
    if not judged:
        return f"Calibration is not known: there are {counted}."
    within = f"predictions add up to the positives within {numbers.percent(OFF - 1)}"
    return f"Calibrated in the {counted}: {within}."


def _measured(finalist: FinalistRecord, seeds: Sequence[int]) -> tuple[Sequence[CellValue], str]:
    """Return the test cells of the exported seed, or of the mean probability of all seeds."""
    if len(seeds) > 1 and finalist.summary is not None:
        return finalist.summary.ensemble_test_cells, f"mean probability of {len(seeds)} seeds"
    run = next(run for run in finalist.runs if run.seed == seeds[0])
    return run.test_cells or (), f"seed {run.seed}"


def _cell(cell: CellValue) -> tuple[str, ...]:
    return (
        record_facts.cell_in_words(cell.scenario, cell.task),
        f"{cell.rows:,}",
        f"{cell.positives:,}",
        numbers.metric(cell.auc) if cell.auc is not None else cell.reason,
        numbers.metric(cell.logloss),
        numbers.metric(cell.calibration),
    )


def _rivals(record: StudyRecord, first: tuple[ArmRecord, ...]) -> Iterator[str]:
    """Yield the table of arms and students by their chosen finalists, those in `first` first."""
    others = record.arms_and_students
    arms = [*first, *(other for other in others if other not in first)]
    values = (
        (other, headline_by_seed(record, finalist, "test"))
        for other in arms
        if (finalist := chosen(other)) is not None
    )
    rows = [
        (
            title(other.name),
            numbers.metric(fmean(by_seed.values())) if by_seed else "no value",
            str(len(by_seed)),
        )
        for other, by_seed in values
    ]
    yield from table(
        "Against the other arms",
        ("Arm", f"{record_facts.headline_in_words(record)} on test, mean", "Seeds"),
        rows,
    )
    outcome = verdict(record)
    shipped = shipment(record, outcome)
    yield from ("", plain(outcome.sentence))
    if shipped.taken is not None:
        name, why = title(shipped.taken.name), shipped.why
        yield from ("", plain(f"What to take by the rules of the study: {name}, {why}."))


def _warnings(record: StudyRecord) -> Iterator[str]:
    warnings = [finding for _, finding in findings(record) if finding.warns]
    yield from ("", "### Warnings of the study", "")
    yield from map(warned, warnings) if warnings else ["- none"]
