"""Text numbers: parse numbers that a column stores as text, and report texts that are none.

A number is written with a decimal point, `12`, `-3.5` or `1e5`; spaces around it do not count. A
text without any other character is a missing value.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from hinet_search.common.errors import shortened
from hinet_search.data.checks import TEXTS
from hinet_search.data.numbers import rows_in_words
from hinet_search.data.reading import ROW_NUMBER


@dataclass(frozen=True)
class WrongTexts:
    """Texts of a column that are no numbers: their rows, and the first one with its row."""

    column: str
    num_rows: int
    first: str
    first_row: int

    @property
    def in_words(self) -> str:
        """`got 'abc' in 2 rows (first in row 7)`."""
        rows = rows_in_words(self.num_rows)
        return f"got {shortened(repr(self.first))} in {rows} (first in row {self.first_row:,})"


def text_columns(names: Iterable[str], types: Mapping[str, pl.DataType]) -> list[str]:
    """Those of the names that are columns of text."""
    return [name for name in names if isinstance(types.get(name), TEXTS)]


def parsed(name: str) -> pl.Expr:
    """The numbers of a text column as float64; null for a text that is blank or no number."""
    return _stripped(name).cast(pl.Float64, strict=False)


def is_no_number(name: str) -> pl.Expr:
    """Whether a text column has a text that is neither blank nor a number."""
    return parsed(name).is_null() & (_stripped(name).str.len_bytes() > 0).fill_null(value=False)


def wrong_texts(rows: pl.LazyFrame, columns: Iterable[str]) -> list[WrongTexts]:
    """Report the text columns with a text that is no number; `rows` have a ROW_NUMBER."""
    names = list(columns)
    if not names:
        return []
    facts: list[pl.Expr] = []
    for place, name in enumerate(names):
        is_wrong = is_no_number(name)
        first = pl.col(ROW_NUMBER).filter(is_wrong).arg_min()
        facts += [
            is_wrong.sum().alias(f"count {place}"),
            pl.col(ROW_NUMBER).filter(is_wrong).min().alias(f"row {place}"),
            pl.col(name).cast(pl.String).filter(is_wrong).get(first).alias(f"text {place}"),
        ]
    got = rows.select(facts).collect(engine="streaming").row(0, named=True)
    return [
        WrongTexts(name, got[f"count {place}"], got[f"text {place}"], got[f"row {place}"])
        for place, name in enumerate(names)
        if got[f"count {place}"]
    ]


def _stripped(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.String).str.strip_chars()
