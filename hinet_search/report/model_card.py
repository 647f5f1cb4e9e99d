"""Model card: what somebody who is given an exported model must know of it, as Markdown, from a study's record.

It names no path, no host and nobody; nothing is said of licences.
"""

from collections.abc import Iterator, Sequence
from statistics import fmean

from hinet_search.compare import chosen, headline_by_seed, title, verdict
from hinet_search.records import ArmRecord, CellValue, FinalistRecord, StudyRecord
from hinet_search.report import numbers, reading
from hinet_search.report.checked import findings
from hinet_search.report.checks.calibration import OFF
from hinet_search.report.markdown import plain, table, warned
from hinet_search.report.public import public

LIMITS = (
    "Rows of scenarios that the model does not know are refused.",
    "A value that training did not have, or too seldom, is taken for unknown; every run tells the share of such rows.",
    "Metrics are of rows like those of the study: measure anew where other users, other times or the model's own choices decide.",
)


def model_card(record: StudyRecord, arm: str, seeds: Sequence[int], notes: Sequence[str]) -> str:
    """The card of the chosen finalist of an arm with these seeds; `notes` are what the export has to say of itself."""
    shown = public(record)
    found = next(one for one in shown.arms if one.name == arm)
    finalist = chosen(found)
    assert finalist is not None, "it is exported"
    return "\n".join(_lines(shown, found, finalist, seeds, notes)) + "\n"


def _lines(
    record: StudyRecord, arm: ArmRecord, finalist: FinalistRecord, seeds: Sequence[int], notes: Sequence[str]
) -> Iterator[str]:
    data = record.data
    yield f"# {plain(record.name)} / {plain(arm.name)}"
    yield ""
    yield plain(
        f"{title(arm.name)} predicts the probabilities of {', '.join(data.tasks)} for a row of {', '.join(data.scenarios)}."
    )
    yield from _facts(record, finalist, seeds)
    yield from _cells(finalist, seeds)
    yield from _rivals(record, arm)
    yield from _warnings(record)
    yield from ("", "### Limits", "", *(f"- {plain(note)}" for note in (*LIMITS, *notes)))


def _facts(record: StudyRecord, finalist: FinalistRecord, seeds: Sequence[int]) -> Iterator[str]:
    data = record.data
    counts = " / ".join(f"{rows:,}" for rows in data.rows)
    facts = {
        "Data": f"{data.source}, fingerprint {data.fingerprint}",
        "Split": data.split,
        "Rows": f"{counts} in train / valid / test",
        "Trained": f"{record.started[:10]} to {record.updated[:10]} (UTC), on training rows alone",
        "Configuration": f"trial {finalist.trial_number}, the best on validation by {reading.objective_in_words(record)}",
        "Seeds": _seeds_in_words(seeds, len(finalist.runs)),
        "Openings": f"the test split of these data was opened {numbers.plural(record.test_openings, 'time')}",
        "Software": ", ".join(f"{name} {version}" for name, version in record.versions.items()) or "not recorded",
    }
    yield ""
    yield from (f"- **{name}**: {plain(text)}" for name, text in facts.items())


def _seeds_in_words(seeds: Sequence[int], num_seeds: int) -> str:
    if len(seeds) > 1:
        return f"the mean probability of {len(seeds)}: {', '.join(map(str, seeds))}"
    return f"{seeds[0]}, the best on validation of {num_seeds}" if num_seeds > 1 else str(seeds[0])


def _cells(finalist: FinalistRecord, seeds: Sequence[int]) -> Iterator[str]:
    cells, of = _measured(finalist, seeds)
    head = ("Cell", "Rows", "Positives", "AUC", "Log loss", "Predicted per positive")
    yield from table(f"On test, {of}", head, map(_cell, cells))
    yield from ("", plain(_calibration(cells)))


def _calibration(cells: Sequence[CellValue]) -> str:
    judged = [(cell, cell.calibration) for cell in cells if cell.positives >= reading.FEW_POSITIVES]
    off = [cell for cell, ratio in judged if ratio is not None and not 1 / OFF <= ratio <= OFF]
    if off:
        named = ", ".join(reading.cell_in_words(cell.scenario, cell.task) for cell in off)
        return f"Not calibrated in {named}: rescale these scores before they are used as probabilities."
    within = f"predictions add up to the positives within {numbers.percent(OFF - 1)}"
    counted = f"{numbers.plural(len(judged), 'cell')} with at least {reading.FEW_POSITIVES} positives"
    return f"Calibrated in the {counted}: {within}." if judged else f"Calibration is not known: there are {counted}."


def _measured(finalist: FinalistRecord, seeds: Sequence[int]) -> tuple[Sequence[CellValue], str]:
    """The cells of what is exported: of one seed, or of the mean probability of all."""
    if len(seeds) > 1 and finalist.summary is not None:
        return finalist.summary.ensemble_test_cells, f"mean probability of {len(seeds)} seeds"
    run = next(run for run in finalist.runs if run.seed == seeds[0])
    return run.test_cells or (), f"seed {run.seed}"


def _cell(cell: CellValue) -> tuple[str, ...]:
    return (
        reading.cell_in_words(cell.scenario, cell.task),
        f"{cell.rows:,}",
        f"{cell.positives:,}",
        numbers.metric(cell.auc) if cell.auc is not None else cell.reason,
        numbers.metric(cell.logloss),
        numbers.metric(cell.calibration),
    )


def _rivals(record: StudyRecord, arm: ArmRecord) -> Iterator[str]:
    """Every arm by its chosen finalist; the arm of the card first."""
    arms = [arm, *(one for one in record.arms if one is not arm)]
    values = (
        (one, headline_by_seed(record, finalist, "test")) for one in arms if (finalist := chosen(one)) is not None
    )
    rows = [
        (title(one.name), numbers.metric(fmean(by_seed.values())) if by_seed else "no value", str(len(by_seed)))
        for one, by_seed in values
    ]
    yield from table(
        "Against the other arms", ("Arm", f"{reading.headline_in_words(record)} on test, mean", "Seeds"), rows
    )
    yield from ("", plain(verdict(record).sentence))


def _warnings(record: StudyRecord) -> Iterator[str]:
    found = [finding for _, finding in findings(record) if finding.warns]
    yield from ("", "### Warnings of the study", "")
    yield from map(warned, found) if found else ["- none"]
