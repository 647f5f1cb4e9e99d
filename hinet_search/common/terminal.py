"""Text for a terminal: control characters are escaped, tables are drawn by rich as plain text."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType

# Control characters except newline and tab (escape sequences begin with one), characters that
# change the direction of text, and surrogates.
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
UNCUT = 10_000  # columns: wide enough that no table is wrapped or cut


def printable(text: str) -> str:
    r"""Escape the characters that control a terminal: `\x1b`, `\u202e`."""
    return _CONTROL.sub(lambda match: repr(match[0])[1:-1], text)


def json_printable(text: str) -> str:
    r"""Escape them in JSON; they occur only in strings, where an escape has the same meaning."""
    return _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def table_text(
    rows: Iterable[Sequence["RenderableType"]],
    header: Sequence[str] = (),
    *,
    right: Collection[int] = (),
    least_widths: Mapping[int, int] | None = None,
    width: int = UNCUT,
) -> str:
    """Draw a table as lines without colours; columns in `right` are aligned to the right.

    Strings are plain text, never markup. Cells wrap where the table is wider than `width`, between
    words where every column has room for its longest word.
    """
    from io import StringIO

    from rich.console import Console
    from rich.measure import Measurement
    from rich.table import Table
    from rich.text import Text

    def cell(content: "RenderableType") -> "RenderableType":
        return Text(printable(content)) if isinstance(content, str) else content

    all_rows = list(rows)
    least = least_widths or {}
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=bool(header))
    heads = header or [""] * max(map(len, all_rows), default=0)
    for number, head in enumerate(heads):
        table.add_column(cell(head), min_width=least.get(number), overflow="fold")
        if number in right:
            table.columns[number].justify = "right"
    for row in all_rows:
        table.add_row(*map(cell, row))
    console = Console(
        file=StringIO(), width=width, color_system=None, force_terminal=False, force_jupyter=False
    )
    if width < UNCUT:
        for column in table.columns:
            column.no_wrap = True
            for content in (column.header, *column.cells):
                size = Measurement.get(console, console.options, content)
                column.no_wrap &= size.minimum == size.maximum
    with console.capture() as captured:
        console.print(table)
    return "\n".join(line.rstrip() for line in captured.get().rstrip("\n").split("\n"))
