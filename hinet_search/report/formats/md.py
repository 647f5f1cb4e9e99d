"""Markdown for a pull request: the verdict, the gain over every arm, the cells, and what to know before it is trusted."""

import re
from collections.abc import Iterator, Mapping, Sequence

from hinet_search.compare import CellDifference, Contrast, Difference, Verdict, title, verdict
from hinet_search.records import StudyRecord
from hinet_search.report import numbers, reading
from hinet_search.report.checked import findings
from hinet_search.report.figures import SYMBOLS
from hinet_search.report.finding import Finding

_MARKUP = re.compile(r"([\\*_{}\[\]<>|~&])")
_CALLS = re.compile("([@#])")  # @ would call somebody, # another issue; a comment behind it keeps them from it


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
    yield _code(reading.report_command(record))


def _what(record: StudyRecord) -> str:
    trials = sum(len(arm.trials) for arm in record.arms)
    return f"{numbers.plural(len(record.arms), 'arm')}, {numbers.plural(trials, 'trial')}, selected by {reading.objective_in_words(record)} on validation"


def _contrasts(record: StudyRecord, outcome: Verdict) -> Iterator[str]:
    if not outcome.contrasts:
        return
    head = ("Compared with", f"Gain of {title(outcome.focus or '')}", "Interval", "p after Holm")
    yield from _table(f"Gain in {reading.headline_in_words(record)} on test", head, map(_contrast, outcome.contrasts))


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

    yield from _table("By cell on test", head, map(row, outcome.cells))


def _marked(found: Difference | None) -> str:
    return f"{SYMBOLS[found.mark]} {numbers.gain(found.mean)}" if found else "no value"


def _interval(found: Difference | None, reason: str) -> str:
    known = found is not None and found.low is not None
    return numbers.interval(found.low, found.high) if found and known else reason or numbers.interval(None, None)


def _table(name: str, head: Sequence[str], rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    """A heading and a table, whose first column is text and whose others are numbers."""
    yield from ("", f"### {plain(name)}", "", _row(head), f"|---|{'---:|' * (len(head) - 1)}")
    yield from map(_row, rows)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(plain, cells))} |"


def _trust(record: StudyRecord) -> Iterator[str]:
    found = [finding for _, finding in findings(record)]
    passed = sum(not finding.warns for finding in found)
    yield from ("", "### Before you trust this", "")
    yield from (_warning(finding) for finding in found if finding.warns)
    yield f"- {numbers.plural(passed, 'check')} passed."


def _warning(finding: Finding) -> str:
    details = " ".join(map(plain, finding.details))
    return f"- **{plain(finding.subject)}** {details}{' ' if details else ''}*{_prose(finding.remedy)}*"


def _code(text: str) -> str:
    """A span of code on one line, whatever backticks it holds."""
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    room = " " if len(fence) > 1 else ""
    return f"{fence}{room}{' '.join(text.split())}{room}{fence}"


def _prose(text: str) -> str:
    """A sentence of ours, whose `backticks` set what is typed."""
    return "".join(_code(part) if k % 2 else plain(part, strip=False) for k, part in enumerate(text.split("`")))


def plain(text: str, *, strip: bool = True) -> str:
    """A text on one line in which nothing is markup."""
    line = " ".join(text.replace("`", "'").split() if strip else re.split(r"\s", text))
    return _CALLS.sub(r"\1<!-- -->", _MARKUP.sub(r"\\\1", line))
