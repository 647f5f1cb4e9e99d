"""Model card: describe an exported model for its users, as Markdown, from a study's record.

The card names no paths, hosts or people, and does not cover licences.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from hinet_search.report.checks.calibration import OFF, WORDS, WORDS_OF_AMOUNTS
from hinet_search.report.drawing import numbers
from hinet_search.report.facts import record as record_facts
from hinet_search.report.facts.amounts import has_amounts, prediction, scale_in_words
from hinet_search.report.finding import findings
from hinet_search.report.redact import redact
from hinet_search.report.text.untrusted import plain, table, warned
from hinet_search.results.cells import CellName, absent_cells
from hinet_search.results.data_record import DataRecord
from hinet_search.results.ensemble_records import ENSEMBLE, TEACHER
from hinet_search.results.finalist_values import chosen, headline_by_seed
from hinet_search.results.records import ArmRecord, CellValue, FinalistRecord
from hinet_search.results.shipping import shipment
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import in_words, title, verdict

HEAD = ("Cell", "Rows", "Positives", "AUC", "Log loss", "Predicted per positive")
HEAD_OF_AMOUNTS = ("Cell", "Rows", "Above 0", "Mean", "AUC", "RMSE", "MAE", "Expected per actual")
AMOUNT_AUC = (
    "AUC of amounts is the share of pairs of rows in the right order, each counted by how much its "
    "amounts differ. Mean, RMSE and MAE are in the unit of the column."
)
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
        "Seeds": _seeds_in_words(published.data, seeds, len(finalist.runs)),
    }
    cells, subject = _measured(published.data, finalist, seeds)
    split = "test" if cells else "validation"
    if not cells:
        cells = next(run for run in finalist.runs if run.seed == seeds[0]).valid_cells
        facts["Test"] = "not opened for this finalist, which its arm did not choose"
    about = _About(exported.name, title(exported.name), facts, cells, subject, (exported,), split)
    return "\n".join(_lines(published, about, notes)) + "\n"


def ensemble_card(record: StudyRecord, notes: Sequence[str]) -> str:
    """Return the card of the study's ensemble; `notes` extend its limits."""
    published = redact(record)
    ensemble = record.ensemble(ENSEMBLE)
    assert ensemble is not None, "an exported ensemble has a record"
    members = (
        f"{title(member.run.arm)} (trial {member.run.trial_number}, seed {member.run.seed}) "
        f"{numbers.percent(member.weight)}"
        for member in ensemble.members
    )
    facts = {"Members": ", ".join(members)}
    scale = scale_in_words(published.data, ensemble.scale)
    subject = f"weighted mean of the {scale} of {len(ensemble.members)} models"
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
    scenarios = ", ".join(data.scenarios)
    yield plain(f"{about.title} predicts {_predicted(data)} for a row of {scenarios}.")
    if absent := record_facts.absent_in_words(absent_cells(data)):
        yield plain(f"{absent} Rows without a task get no {prediction(data)} of it.")
    yield from _facts(record, about.facts)
    yield from _teacher(record, about.first)
    yield from _cells(data, about)
    yield from _rivals(record, about.first)
    yield from _warnings(record)
    yield from ("", "### Limits", "", *(f"- {plain(note)}" for note in (*LIMITS, *notes)))


def _predicted(data: DataRecord) -> str:
    """Return what a model predicts: probabilities of tasks, expected amounts of others, or both."""
    binary = [task for task in data.tasks if task not in data.units]
    amounts = [
        f"{task} (mean {numbers.metric(unit)} in training, in the unit of its column)"
        for task, unit in data.units.items()
    ]
    parts = [f"the probabilities of {', '.join(binary)}"] if binary else []
    parts += [f"the expected amounts of {', '.join(amounts)}"] if amounts else []
    return " and ".join(parts)


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
    scale = scale_in_words(record.data, teacher.scale)
    text = f"the mean of the {scale} of {runs} of {in_words(list(arms))}, beside the labels"
    yield f"- **Taught by**: {plain(text)}"


def _seeds_in_words(data: DataRecord, seeds: Sequence[int], num_seeds: int) -> str:
    if len(seeds) > 1:
        return f"the mean {prediction(data)} of {len(seeds)}: {', '.join(map(str, seeds))}"
    return f"{seeds[0]}, the best on validation of {num_seeds}" if num_seeds > 1 else str(seeds[0])


def _cells(data: DataRecord, about: _About) -> Iterator[str]:
    """Yield a table of the cells of 0 and 1, one of those of amounts, and their calibration."""
    binary = [cell for cell in about.cells if cell.task not in data.units]
    amounts = [cell for cell in about.cells if cell.task in data.units]
    heading = f"n {about.split}, {about.subject}"
    if binary or not amounts:
        yield from table(f"O{heading}", HEAD, map(_cell, binary))
    if amounts:
        means = _mean_amounts(data, about.split)
        rows = (_cell_of_amounts(cell, means[cell.scenario, cell.task]) for cell in amounts)
        yield from table(f"Amounts o{heading}", HEAD_OF_AMOUNTS, rows)
        yield from ("", plain(AMOUNT_AUC))
    yield from ("", plain(_calibration(data, about.cells)))


def _mean_amounts(data: DataRecord, split: str) -> Mapping[CellName, float | None]:
    """Return the mean amount of every cell of a split; None of 0 and 1."""
    place = 2 if split == "test" else 1
    return {
        (cell.scenario, cell.task): cell.means[place] if cell.means else None for cell in data.cells
    }


def _calibration(data: DataRecord, cells: Sequence[CellValue]) -> str:
    words = WORDS_OF_AMOUNTS if has_amounts(data) else WORDS
    judged = [
        (cell, cell.calibration) for cell in cells if cell.positives >= record_facts.FEW_POSITIVES
    ]
    off = [cell for cell, ratio in judged if ratio is not None and not 1 / OFF <= ratio <= OFF]
    if off:
        named = ", ".join(record_facts.cell_in_words(cell.scenario, cell.task) for cell in off)
        return f"Not calibrated in {named}: rescale these scores before use as {words.scores}."
    cells_judged = numbers.plural(len(judged), "cell")
    counted = f"{cells_judged} with at least {record_facts.FEW_POSITIVES} {words.positives}"
    if not judged:
        return f"Calibration is not known: there are {counted}."
    within = f"predictions add up to the {words.labels} within {numbers.percent(OFF - 1)}"
    return f"Calibrated in the {counted}: {within}."


def _measured(
    data: DataRecord, finalist: FinalistRecord, seeds: Sequence[int]
) -> tuple[Sequence[CellValue], str]:
    """Return the test cells of the exported seed, or of the mean prediction of all seeds."""
    if len(seeds) > 1 and finalist.summary is not None:
        subject = f"mean {prediction(data)} of {len(seeds)} seeds"
        return finalist.summary.ensemble_test_cells, subject
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


def _cell_of_amounts(cell: CellValue, mean: float | None) -> tuple[str, ...]:
    return (
        record_facts.cell_in_words(cell.scenario, cell.task),
        f"{cell.rows:,}",
        numbers.percent(cell.positives / cell.rows if cell.rows else 0.0),
        numbers.metric(mean),
        numbers.metric(cell.auc) if cell.auc is not None else cell.reason,
        numbers.metric(cell.rmse),
        numbers.metric(cell.mae),
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
        name = title(shipped.taken.name)
        why = shipped.why
        yield from ("", plain(f"What to take by the rules of the study: {name}, {why}."))


def _warnings(record: StudyRecord) -> Iterator[str]:
    warnings = [finding for _, finding in findings(record) if finding.warns]
    yield from ("", "### Warnings of the study", "")
    yield from map(warned, warnings) if warnings else ["- none"]
