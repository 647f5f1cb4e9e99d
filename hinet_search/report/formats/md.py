"""Markdown for a pull request: verdict, gains over all arms, what to ship, cells and warnings."""

from collections.abc import Iterator, Mapping

from hinet_search.report.drawing import numbers
from hinet_search.report.drawing.figures import SYMBOLS
from hinet_search.report.facts import record as record_facts
from hinet_search.report.facts.amounts import has_amounts
from hinet_search.report.facts.measured_inputs import measured_inputs
from hinet_search.report.finding import findings
from hinet_search.report.text.amount_errors import ERRORS, mean_error
from hinet_search.report.text.shipping import has_more_than_arms, lead
from hinet_search.report.text.taught import against_its_arm, against_the_focus, of_ensemble
from hinet_search.report.text.untrusted import code, plain, prose, table, warned
from hinet_search.results.cell_gains import CellDifference
from hinet_search.results.cells import absent_cells
from hinet_search.results.contrasts import Contrast
from hinet_search.results.data_record import CellCount
from hinet_search.results.finalist_values import chosen
from hinet_search.results.shipping import shipment
from hinet_search.results.statistics.paired_difference import Difference
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.taught_contrasts import student_contrasts
from hinet_search.results.verdict import Verdict, title, verdict


def files(record: StudyRecord) -> Mapping[str, str]:
    """Return one text."""
    return {".md": "\n".join(_lines(record)) + "\n"}


def _lines(record: StudyRecord) -> Iterator[str]:
    outcome = verdict(record)
    yield f"## {plain(outcome.sentence)}"
    yield ""
    yield plain(
        f"{record.name}, {record.state}: {_what(record)}. "
        f"Data {record.data.fingerprint}, {record.data.split}."
    )
    yield from _contrasts(record, outcome)
    yield from _taught(record)
    yield from _shipment(record, outcome)
    yield from _cells(record, outcome)
    yield from _amounts(record, outcome)
    yield from _inputs(record)
    yield from _trust(record)
    yield ""
    yield code(record_facts.report_command(record))


def _what(record: StudyRecord) -> str:
    trials = sum(len(arm.trials) for arm in record.arms)
    counts = f"{numbers.plural(len(record.arms), 'arm')}, {numbers.plural(trials, 'trial')}"
    return f"{counts}, selected by {record_facts.objective_in_words(record)} on validation"


def _contrasts(record: StudyRecord, outcome: Verdict) -> Iterator[str]:
    if not outcome.contrasts:
        return
    head = ("Compared with", f"Gain of {title(outcome.focus or '')}", "Interval", "p after Holm")
    yield from table(
        f"Gain in {record_facts.headline_in_words(record)} on test",
        head,
        map(_contrast, outcome.contrasts),
    )


def _contrast(contrast: Contrast) -> tuple[str, ...]:
    return (
        title(contrast.arm),
        _marked(contrast.difference),
        _interval(contrast.difference, contrast.reason),
        numbers.probability(contrast.p_holm)
        if not contrast.lacks
        else f"observation: {contrast.lacks}",
    )


def _taught(record: StudyRecord) -> Iterator[str]:
    """Yield the gains of students over their arms and of the ensemble over the focus, if any."""
    rows = [
        (against_its_arm(record, contrast), *_contrast(contrast)[1:])
        for contrast in student_contrasts(record)
    ]
    of_all = of_ensemble(record)
    if of_all is not None:
        rows.append((against_the_focus(of_all), *_contrast(of_all)[1:]))
    if rows:
        yield from table(
            "On top of the arms", ("Compared", "Gain", "Interval", "p after Holm"), rows
        )


def _shipment(record: StudyRecord, outcome: Verdict) -> Iterator[str]:
    """Yield what can be shipped and what to take, if that is more than the arms."""
    if not has_more_than_arms(record):
        return
    shipped = shipment(record, outcome)
    head = ("Name", "Kind", "Models", "Validation", "Test", "100 rows", "FLOPs per row")
    rows = (
        (
            title(offer.name),
            offer.kind,
            str(offer.members),
            numbers.metric(offer.valid),
            numbers.metric(offer.test),
            numbers.DASH
            if offer.milliseconds is None
            else numbers.milliseconds(offer.milliseconds),
            numbers.compact(offer.flops_per_row) if offer.flops_per_row else numbers.DASH,
        )
        for offer in shipped.offers
    )
    yield from table("What to ship", head, rows)
    yield from ("", prose(lead(record, shipped)))


def _cells(record: StudyRecord, outcome: Verdict) -> Iterator[str]:
    if not outcome.cells:
        return
    counts = {(cell.scenario, cell.task): cell for cell in record.data.cells}
    positives = "Rows above 0" if has_amounts(record.data) else "Positives"
    head = ("Cell", "Rows", positives, f"Gain over {title(outcome.rival or '')}", "Interval")

    def row(cell: CellDifference) -> tuple[str, ...]:
        counted = counts.get((cell.scenario, cell.task))
        sizes = (
            (f"{counted.rows[2]:,}", f"{counted.positives[2]:,}")
            if counted
            else ("not known", "not known")
        )
        words = record_facts.cell_in_words(cell.scenario, cell.task)
        return words, *sizes, _marked(cell.difference), _interval(cell.difference, cell.reason)

    yield from table("By cell on test", head, map(row, outcome.cells))
    if absent := record_facts.absent_in_words(absent_cells(record.data)):
        yield from ("", plain(absent))


def _amounts(record: StudyRecord, outcome: Verdict) -> Iterator[str]:
    """Yield the errors of focus and rival in every cell of amounts on test, if there are any."""
    compared = [arm for arm in record.arms if arm.name in (outcome.focus, outcome.rival)]
    arms = [(title(arm.name), finalist) for arm in compared if (finalist := chosen(arm))]
    cells = [cell for cell in record.data.cells if cell.means is not None]
    if not outcome.cells or not cells:
        return
    names = [f"{error.name}, {name}" for error in ERRORS for name, _ in arms]

    def row(cell: CellCount) -> tuple[str, ...]:
        assert cell.means is not None, "only cells of amounts are listed"
        key = cell.scenario, cell.task
        values = (
            mean_error(finalist, "test", key, error) for error in ERRORS for _, finalist in arms
        )
        amounts = numbers.metric(record.data.units[cell.task]), numbers.metric(cell.means[2])
        return record_facts.cell_in_words(*key), *amounts, *map(numbers.metric, values)

    head = ("Cell", "Mean, training", "Mean, test", *names)
    yield from table("Amounts on test", head, map(row, cells))


def _inputs(record: StudyRecord) -> Iterator[str]:
    """Yield what groups of inputs are worth, if that was measured."""
    measured = measured_inputs(record)
    if measured is not None:
        yield from ("", plain(f"Inputs: {measured.sentence}"))


def _marked(difference: Difference | None) -> str:
    return (
        f"{SYMBOLS[difference.mark]} {numbers.gain(difference.mean)}" if difference else "no value"
    )


def _interval(difference: Difference | None, reason: str) -> str:
    known = difference is not None and difference.low is not None
    return (
        numbers.interval(difference.low, difference.high)
        if difference and known
        else reason or numbers.interval(None, None)
    )


def _trust(record: StudyRecord) -> Iterator[str]:
    results = [finding for _, finding in findings(record)]
    passed = sum(not finding.warns for finding in results)
    yield from ("", "### Before you trust this", "")
    yield from (warned(finding) for finding in results if finding.warns)
    yield f"- {numbers.plural(passed, 'check')} passed."
