"""Markdown for a pull request: verdict, gains over all arms, what to ship, cells and warnings."""

from collections.abc import Iterator, Mapping

from hinet_search.report import numbers, record_facts
from hinet_search.report.amounts import ERRORS, mean_error, wording
from hinet_search.report.checks import findings
from hinet_search.report.commands import report_command
from hinet_search.report.comparisons import on_top
from hinet_search.report.figures import SYMBOLS
from hinet_search.report.shipping import has_more_than_arms, lead
from hinet_search.report.untrusted import code, plain, prose, table, warned
from hinet_search.results.ablation import measured_choices, measured_inputs
from hinet_search.results.cell_gains import CellDifference
from hinet_search.results.cells import absent_cells
from hinet_search.results.contrasts import Contrast
from hinet_search.results.decision import decision
from hinet_search.results.finalist_values import chosen
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import Verdict, title, verdict


def files(record: StudyRecord) -> Mapping[str, str]:
    """Return one text."""
    return {".md": "\n".join(_lines(record)) + "\n"}


def _lines(record: StudyRecord) -> Iterator[str]:
    outcome = verdict(record)
    trials = sum(len(arm.trials) for arm in record.arms)
    counts = f"{numbers.plural(len(record.arms), 'arm')}, {numbers.plural(trials, 'trial')}"
    selected = f"selected by {record_facts.objective_in_words(record)} on validation"
    data = f"Data {record.data.fingerprint}, {record.data.split}."
    yield f"## {plain(outcome.sentence)}"
    yield ""
    yield plain(f"{record.name}, {record.state}: {counts}, {selected}. {data}")
    yield from _contrasts(record, outcome)
    if has_more_than_arms(record):
        yield from _shipment(record, outcome)
    if outcome.cells:
        yield from _cells(record, outcome)
        yield from _amounts(record, outcome)
    measured = measured_inputs(record)
    if measured is not None:
        yield from ("", plain(f"Inputs: {measured.sentence}"))
    choices = measured_choices(record)
    if choices is not None:
        yield from ("", plain(f"Choices: {choices.sentence}"))
    results = [finding for _, finding in findings(record)]
    yield from ("", "### Before you trust this", "")
    yield from (warned(finding) for finding in results if finding.warns)
    passed = sum(not finding.warns for finding in results)
    yield f"- {numbers.plural(passed, 'check')} passed."
    yield ""
    yield code(report_command(record))


def _contrasts(record: StudyRecord, outcome: Verdict) -> Iterator[str]:
    """Yield the gains of the focus, and of students and the ensemble, if there are any."""
    rows = [_contrast(title(contrast.arm), contrast) for contrast in outcome.contrasts]
    if rows:
        heading = f"Gain in {record_facts.headline_in_words(record)} on test"
        gain = f"Gain of {title(outcome.focus or '')}"
        yield from table(heading, ("Compared with", gain, "Interval", "p, corrected"), rows)
    rows = [_contrast(name, contrast) for name, contrast in on_top(record)]
    if rows:
        head = ("Compared", "Gain", "Interval", "p, corrected")
        yield from table("On top of the arms", head, rows)


def _contrast(name: str, contrast: Contrast) -> tuple[str, ...]:
    p_holm = numbers.probability(contrast.p_holm)
    if contrast.lacks:
        p_holm = f"observation: {contrast.lacks}"
    return name, *_gain(contrast), p_holm


def _gain(compared: Contrast | CellDifference) -> tuple[str, str]:
    """Return a gain with its mark, and its interval."""
    difference = compared.difference
    if difference is None:
        return "no value", compared.reason or numbers.interval(None, None)
    gain = f"{SYMBOLS[difference.mark]} {numbers.gain(difference.mean)}"
    interval = numbers.interval(difference.low, difference.high)
    if difference.low is None and compared.reason:
        interval = compared.reason
    return gain, interval


def _shipment(record: StudyRecord, outcome: Verdict) -> Iterator[str]:
    """Yield what can be shipped and what to take."""
    shipped = decision(record, outcome)
    rows = []
    for offer in shipped.offers:
        values = (numbers.metric(offer.valid), numbers.metric(offer.test))
        costs = (
            numbers.milliseconds(offer.milliseconds),
            numbers.compact(offer.flops_per_row or None),
        )
        rows.append((title(offer.name), offer.kind, str(offer.members), *values, *costs))
    head = ("Name", "Kind", "Models", "Validation", "Test", "100 rows", "FLOPs per row")
    yield from table("What to ship", head, rows)
    yield from ("", prose(lead(record, shipped)))


def _cells(record: StudyRecord, outcome: Verdict) -> Iterator[str]:
    rows = []
    for cell, counted in zip(outcome.cells, record.data.cells, strict=True):
        words = record_facts.cell_in_words(cell.name)
        sizes = (f"{counted.rows[2]:,}", f"{counted.positives[2]:,}")
        rows.append((words, *sizes, *_gain(cell)))
    positives = record_facts.capitalized(wording(record.data).positives)
    head = ("Cell", "Rows", positives, f"Gain over {title(outcome.rival or '')}", "Interval")
    yield from table("By cell on test", head, rows)
    if absent := record_facts.absent_in_words(absent_cells(record.data)):
        yield from ("", plain(absent))


def _amounts(record: StudyRecord, outcome: Verdict) -> Iterator[str]:
    """Yield the errors of focus and rival in every cell of amounts on test, if there are any."""
    compared = [arm for arm in record.arms if arm.name in (outcome.focus, outcome.rival)]
    arms = [(title(arm.name), finalist) for arm in compared if (finalist := chosen(arm))]
    rows = []
    for cell in record.data.cells:
        if cell.means is None:
            continue
        unit = numbers.metric(record.data.units[cell.task])
        values = [record_facts.cell_in_words(cell.name), unit, numbers.metric(cell.means[2])]
        for metric in ERRORS:
            for _, finalist in arms:
                error = mean_error(finalist, "test", cell.name, metric)
                values.append(numbers.metric(error))
        rows.append(tuple(values))
    if rows:
        names = [f"{error}, {name}" for error in ERRORS.values() for name, _ in arms]
        head = ("Cell", "Mean, training", "Mean, test", *names)
        yield from table("Amounts on test", head, rows)
