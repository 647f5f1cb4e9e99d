"""Markdown: texts that anybody may have chosen, as tables, code and sentences in which nothing else is markup."""

import re
from collections.abc import Iterable, Iterator, Sequence

from hinet_search.report.finding import Finding

_MARKUP = re.compile(r"([\\*_{}\[\]<>|~&])")
_CALLS = re.compile("([@#])")  # @ would call somebody, # another issue; a comment behind it keeps them from it


def table(name: str, head: Sequence[str], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """A heading and a table, whose first column is text and whose others are numbers."""
    yield from ("", f"### {plain(name)}", "", _row(head), f"|---|{'---:|' * (len(head) - 1)}")
    yield from map(_row, rows)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(plain, cells))} |"


def warned(finding: Finding) -> str:
    """A warning with its details and its remedy, as an item of a list."""
    details = " ".join(map(plain, finding.details))
    return f"- **{plain(finding.subject)}** {details}{' ' if details else ''}*{prose(finding.remedy)}*"


def code(text: str) -> str:
    """A span of code on one line, whatever backticks it holds."""
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    room = " " if len(fence) > 1 else ""
    return f"{fence}{room}{' '.join(text.split())}{room}{fence}"


def prose(text: str) -> str:
    """A sentence of ours, whose `backticks` set what is typed."""
    return "".join(code(part) if k % 2 else plain(part, strip=False) for k, part in enumerate(text.split("`")))


def plain(text: str, *, strip: bool = True) -> str:
    """A text on one line in which nothing is markup."""
    line = " ".join(text.replace("`", "'").split() if strip else re.split(r"\s", text))
    return _CALLS.sub(r"\1<!-- -->", _MARKUP.sub(r"\\\1", line))
