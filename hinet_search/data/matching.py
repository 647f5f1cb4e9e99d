"""Matching: how values of a table are compared with values written in a definition."""

from collections.abc import Sequence
from datetime import datetime

import polars as pl

MAX_LISTED = 10


def as_text(values: pl.Series) -> pl.Series:
    """Values as text; a whole float loses its `.0`, so that 1 and 1.0 are the same."""
    texts = values.cast(pl.String)
    return texts.str.strip_suffix(".0") if values.dtype.is_float() else texts


def text_of(written: int | str) -> str:
    """A value of the definition, as `as_text` would write it; true and false in small letters, as in YAML."""
    return str(written).lower() if isinstance(written, bool) else str(written)


def listed(values: Sequence[str]) -> str:
    """The first ten values as a message shows them, and how many more there are."""
    more = len(values) - MAX_LISTED
    return ", ".join(values[:MAX_LISTED]) + (f" and {more:,} more" if more > 0 else "")


def cut_literal(cut: int | float | str, dtype: pl.DataType) -> pl.Expr:
    """A cut point as a value of the time column; a date without an offset is in the column's own time zone."""
    if not isinstance(cut, str):
        return pl.lit(cut)
    moment = datetime.fromisoformat(cut)
    zone = dtype.time_zone if isinstance(dtype, pl.Datetime) else None
    literal = pl.lit(moment)
    if zone is None:
        return literal
    return literal.dt.convert_time_zone(zone) if moment.tzinfo else literal.dt.replace_time_zone(zone)
