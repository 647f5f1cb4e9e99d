"""Markdown for a pull request: the verdict, the gain over every arm, the cells, and what to know before it is trusted."""

from collections.abc import Iterator, Mapping

from hinet_search.compare import CellDifference, Contrast, Difference, Verdict, title, verdict
from hinet_search.records import StudyRecord
from hinet_search.report import numbers, reading
from hinet_search.report.checked import findings
from hinet_search.report.figures import SYMBOLS
from hinet_search.report.markdown import code, plain, table, warned


def files(record: StudyRecord) -> Mapping[str, str]:
    """One text."""
    return {".md": "\n".join(_lines(record)) + "\n"}


def _lines(record: StudyRecord) -> Iterator[str]:
    outcome = verdict(record)
    yield f"## {plain(outcome.sentence)}"
    yield ""
    yield plain(f"{record.name}, {record.state}: {_what(record)}. Data {record.data.fingerprint}, {record.data.split}.")
    yield from _contrasts(record, outcome)
    yield from _cells(record, outcome)
    yield from _trust(record)
    yield ""
    yield code(reading.report_command(record))


def _what(record: StudyRecord) -> str:
    trials = sum(len(arm.trials) for arm in record.arms)
    return f"{numbers.plural(len(record.arms), 'arm')}, {numbers.plural(trials, 'trial')}, selected by {reading.objective_in_words(record)} on validation"


def _contrasts(record: StudyRecord, outcome: Verdict) -> Iterator[str]:
    if not outcome.contrasts:
        return
    head = ("Compared with", f"Gain of {title(outcome.focus or '')}", "Interval", "p after Holm")
    yield from table(f"Gain in {reading.headline_in_words(record)} on test", head, map(_contrast, outcome.contrasts))


def _contrast(one: Contrast) -> tuple[str, ...]:
    return (
        title(one.arm),
        _marked(one.difference),
        _interval(one.difference, one.reason),
        numbers.probability(one.p_holm),
    )


def _cells(record: StudyRecord, outcome: Verdict) -> Iterator[str]:
    if not outcome.cells:
        return
    counts = {(cell.scenario, cell.task): cell for cell in record.data.cells}
    head = ("Cell", "Rows", "Positives", f"Gain over {title(outcome.rival or '')}", "Interval")

    def row(cell: CellDifference) -> tuple[str, ...]:
        counted = counts.get((cell.scenario, cell.task))
        sizes = (f"{counted.rows[2]:,}", f"{counted.positives[2]:,}") if counted else ("not known", "not known")
        words = reading.cell_in_words(cell.scenario, cell.task)
        return words, *sizes, _marked(cell.difference), _interval(cell.difference, cell.reason)

    yield from table("By cell on test", head, map(row, outcome.cells))


def _marked(found: Difference | None) -> str:
    return f"{SYMBOLS[found.mark]} {numbers.gain(found.mean)}" if found else "no value"


def _interval(found: Difference | None, reason: str) -> str:
    known = found is not None and found.low is not None
    return numbers.interval(found.low, found.high) if found and known else reason or numbers.interval(None, None)


def _trust(record: StudyRecord) -> Iterator[str]:
    found = [finding for _, finding in findings(record)]
    passed = sum(not finding.warns for finding in found)
    yield from ("", "### Before you trust this", "")
    yield from (warned(finding) for finding in found if finding.warns)
    yield f"- {numbers.plural(passed, 'check')} passed."
