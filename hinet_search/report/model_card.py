"""Model card: describe an exported model for its users, as Markdown, from a study's record.

The card names no paths, hosts or people, and does not cover licences.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from hinet_search.report import numbers, record_facts
from hinet_search.report.amounts import wording
from hinet_search.report.checks import findings
from hinet_search.report.checks.calibration import judged
from hinet_search.report.redact import redact
from hinet_search.report.untrusted import plain, table, warned
from hinet_search.results.calibration_records import Calibration
from hinet_search.results.cells import absent_cells
from hinet_search.results.data_record import DataRecord
from hinet_search.results.decision import decision
from hinet_search.results.ensemble_records import ENSEMBLE, TEACHER, RunKey
from hinet_search.results.finalist_values import chosen, headline_by_seed
from hinet_search.results.records import ArmRecord, CellValue, FinalistRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import in_words, title, verdict

CALIBRATION = "calibration"  # the check of a study's focus
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
    which: tuple[int | None, str] = (None, ""),
    calibration: Calibration | None = None,
) -> str:
    """Return the card of a finalist of an arm or student with these seeds; the chosen by default.

    `calibration` is the export's own; `notes` extend the limits; `which` has the trial of another
    than the chosen one, and why it is taken. Metrics are of validation if it is not opened on test.
    """
    published = redact(record)
    trial, why = which
    exported, finalist = _exported(published, arm, trial)
    if finalist.chosen:
        why = f"the best on validation by {record_facts.objective_in_words(published)}"
    run = next(run for run in finalist.runs if run.seed == seeds[0])
    kind = wording(published.data).prediction
    number = published.seed_number(RunKey(arm, finalist.trial_number, run.seed))
    trained = str(run.seed)
    if len(seeds) > 1:
        trained = f"the mean {kind} of {len(seeds)}: {', '.join(map(str, seeds))}"
    elif len(finalist.runs) > 1:
        of = f"{number} of {len(finalist.runs)}"
        trained = f"{of}, the best on validation ({run.seed})"
    cells: Sequence[CellValue] = run.test_cells or ()
    subject = f"seed {number}"
    if len(seeds) > 1 and finalist.summary is not None:
        cells = finalist.summary.ensemble_test_cells
        subject = f"mean {kind} of {len(seeds)} seeds"
    facts = {"Configuration": f"trial {finalist.trial_number}, {why}", "Seeds": trained}
    about = _About(
        exported.name, title(exported.name), facts, cells, subject, calibration, exported
    )
    if not cells:
        facts["Test"] = "not opened for this finalist, which its arm did not choose"
        about = replace(about, facts=facts, cells=run.valid_cells, split="validation")
    return "\n".join(_lines(published, about, notes)) + "\n"


def _exported(
    record: StudyRecord, name: str, trial: int | None
) -> tuple[ArmRecord, FinalistRecord]:
    """Return an arm or student and its finalist of that trial, the chosen one by default."""
    arm = next(each for each in record.arms_and_students if each.name == name)
    for finalist in arm.finalists:
        if finalist.trial_number == trial or (trial is None and finalist.chosen):
            return arm, finalist
    raise AssertionError(f"{name} has no chosen finalist")


def ensemble_card(
    record: StudyRecord, notes: Sequence[str], calibration: Calibration | None = None
) -> str:
    """Return the card of the study's ensemble; `notes` extend its limits."""
    published = redact(record)
    ensemble = record.ensemble(ENSEMBLE)
    assert ensemble is not None, "an exported ensemble has a record"
    members = []
    for member in ensemble.members:
        run = f"trial {member.run.trial_number}, seed {published.seed_number(member.run)}"
        members.append(f"{title(member.run.arm)} ({run}) {numbers.percent(member.weight)}")
    facts = {"Members": ", ".join(members)}
    scale = wording(published.data).scale(ensemble.scale)
    subject = f"weighted mean of the {scale} of {len(ensemble.members)} models"
    cells = ensemble.test_cells or ()
    about = _About(ENSEMBLE, "The ensemble", facts, cells, subject, calibration)
    return "\n".join(_lines(published, about, notes)) + "\n"


@dataclass(frozen=True)
class _About:
    """What a card is about: its name and title, own facts, cells of `split` and what they are of.

    `arm` is the arm or student, None for the ensemble.
    """

    name: str
    title: str
    facts: Mapping[str, str]
    cells: Sequence[CellValue]
    subject: str
    calibration: Calibration | None = None
    arm: ArmRecord | None = None
    split: str = "test"


def _lines(record: StudyRecord, about: _About, notes: Sequence[str]) -> Iterator[str]:
    data = record.data
    yield f"# {plain(record.name)} / {plain(about.name)}"
    yield ""
    scenarios = ", ".join(data.scenarios)
    yield plain(f"{about.title} predicts {_predicted(data)} for a row of {scenarios}.")
    if absent := record_facts.absent_in_words(absent_cells(data)):
        yield plain(f"{absent} Rows without a task get no {wording(data).prediction} of it.")
    yield from _facts(record, about)
    yield from _cells(data, about)
    yield from _rivals(record, about)
    warnings = []
    for name, finding in findings(record):
        if finding.warns and name != CALIBRATION:  # the card says it of this model
            warnings.append(warned(finding))
    yield from ("", "### Warnings of the study", "", *(warnings or ["- none"]))
    yield from ("", "### Limits", "", *(f"- {plain(note)}" for note in (*LIMITS, *notes)))


def _predicted(data: DataRecord) -> str:
    """Return what a model predicts: probabilities of tasks, expected amounts of others, or both."""
    binary = [task for task in data.tasks if task not in data.units]
    parts = [f"the probabilities of {', '.join(binary)}"] if binary else []
    amounts = []
    for task, unit in data.units.items():
        mean = numbers.metric(unit)
        amounts.append(f"{task} (mean {mean} in training, in the unit of its column)")
    if amounts:
        parts.append(f"the expected amounts of {', '.join(amounts)}")
    return " and ".join(parts)


def _facts(record: StudyRecord, about: _About) -> Iterator[str]:
    data = record.data
    counts = " / ".join(f"{rows:,}" for rows in data.rows)
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    facts = {
        "Data": f"{data.source}, fingerprint {data.fingerprint}",
        "Split": data.split,
        "Rows": f"{counts} in train / valid / test",
        "Trained": f"{record.started[:10]} to {record.updated[:10]} (UTC), on training rows only",
        **about.facts,
        "Test split": f"used {numbers.plural(record.test_accesses, 'time')}",
        "Software": versions or "not recorded",
    }
    if data.sample is not None:
        facts["Sample"] = f"{data.searched_on}, in training as in metrics"
    if data.weights is not None:
        in_metrics = "metrics count all rows alike"
        facts["Weights"] = f"column {data.weights.in_words(data.rows[0])}; {in_metrics}"
    teacher = record.ensemble(TEACHER)
    if teacher is not None and about.arm is not None and about.arm.student_of:
        arms = dict.fromkeys(title(member.run.arm) for member in teacher.members)
        runs = numbers.plural(len(teacher.members), "run")
        mean = f"the mean of the {wording(data).scale(teacher.scale)}"
        facts["Distilled from"] = f"{mean} of {runs} of {in_words(list(arms))}, beside the labels"
    yield ""
    yield from (f"- **{name}**: {plain(text)}" for name, text in facts.items())


def _cells(data: DataRecord, about: _About) -> Iterator[str]:
    """Yield tables of the cells of 0 and 1, of the cells of amounts, and of their calibration."""
    place = 2 if about.split == "test" else 1
    means = {cell.name: cell.means[place] for cell in data.cells if cell.means is not None}
    binary = []
    amounts = []
    for cell in about.cells:
        name = record_facts.cell_in_words(cell.name)
        rows = f"{cell.rows:,}"
        auc = numbers.metric(cell.auc) if cell.auc is not None else cell.reason
        ratio = numbers.metric(cell.calibration)
        if cell.task in data.units:
            above = numbers.percent(cell.positives / cell.rows if cell.rows else 0.0)
            mean = numbers.metric(means.get(cell.name))
            errors = (numbers.metric(cell.rmse), numbers.metric(cell.mae))
            amounts.append((name, rows, above, mean, auc, *errors, ratio))
        else:
            logloss = numbers.metric(cell.logloss)
            binary.append((name, rows, f"{cell.positives:,}", auc, logloss, ratio))
    heading = f"n {about.split}, {about.subject}"
    if binary or not amounts:
        yield from table(f"O{heading}", HEAD, binary)
    if amounts:
        yield from table(f"Amounts o{heading}", HEAD_OF_AMOUNTS, amounts)
        yield from ("", plain(AMOUNT_AUC))
    finding = judged(f"{about.title} ({about.subject})", about.cells, data)
    if about.calibration and (changed := about.calibration.num_changed):
        yield ""
        yield (
            f"{wording(data).scores.capitalize()} are calibrated on validation in {changed} of "
            f"{len(about.calibration.cells)} cells; the metrics above are before this calibration."
        )
    elif finding is not None:
        yield from ("", warned(finding) if finding.warns else plain(finding.subject))


def _rivals(record: StudyRecord, about: _About) -> Iterator[str]:
    """Yield the table of arms and students by their chosen finalists, what is shipped first."""
    first = [about.arm] if about.arm else []
    rows = []
    for arm in [*first, *(other for other in record.arms_and_students if other not in first)]:
        finalist = chosen(arm)
        if finalist is not None:
            values = headline_by_seed(record, finalist, "test").values()
            mean = numbers.metric(fmean(values)) if values else "no value"
            rows.append((title(arm.name), mean, str(len(values))))
    head = ("Arm", f"{record_facts.headline_in_words(record)} on test, mean", "Seeds")
    yield from table("Against the other arms", head, rows)
    outcome = verdict(record)
    shipped = decision(record, outcome)
    yield from ("", plain(outcome.sentence))
    if shipped.taken is not None:
        name = title(shipped.taken.name)
        why = shipped.why
        yield from ("", plain(f"What to take by the rules of the study: {name}, {why}."))
