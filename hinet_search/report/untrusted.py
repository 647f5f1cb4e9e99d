"""Untrusted text in Markdown and CSV: nothing in it becomes markup or a formula."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence

from hinet_search.report.checks import Finding

_MARKUP = re.compile(r"([\\*_{}\[\]<>|~&])")
# `@name` would notify a person and `#1` link an issue; a comment after the sign prevents both.
_CALLS = re.compile("([@#])")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def table(name: str, head: Sequence[str], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Yield a heading and a table whose first column is text and whose others are numbers."""
    yield from ("", f"### {plain(name)}", "", _row(head), f"|---|{'---:|' * (len(head) - 1)}")
    yield from map(_row, rows)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(plain, cells))} |"


def warned(finding: Finding) -> str:
    """Return a warning with its details and remedy, as a list item."""
    details = "".join(f"{plain(detail)} " for detail in finding.details)
    return f"- **{plain(finding.subject)}** {details}*{prose(finding.remedy)}*"


def code(text: str) -> str:
    """Return text as a code span on one line, whatever backticks it contains."""
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    padding = " " if len(fence) > 1 else ""
    return f"{fence}{padding}{' '.join(text.split())}{padding}{fence}"


def prose(text: str) -> str:
    """Return a sentence of this package, in which `backticks` mark code."""
    return "".join(
        code(part) if k % 2 else plain(part, strip=False) for k, part in enumerate(text.split("`"))
    )


def plain(text: str, *, strip: bool = True) -> str:
    """Return a text on one line, escaped so that nothing in it is markup."""
    line = " ".join(text.replace("`", "'").split() if strip else re.split(r"\s", text))
    return _CALLS.sub(r"\1<!-- -->", _MARKUP.sub(r"\\\1", line))


def without_formulas(text: str) -> str:
    """Return CSV text with a quote before every cell that would be a formula; numbers stay."""
    written = io.StringIO()
    writer = csv.writer(written)
    for row in csv.reader(io.StringIO(text)):
        writer.writerow(map(plain_cell, row))
    return written.getvalue()


def plain_cell(text: str) -> str:
    """Return the cell, with a quote before it if it would be a formula."""
    return f"'{text}" if text.startswith(_FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
