"""Matching: values of a table as they are compared with other values, and with a definition's."""

from collections.abc import Sequence
from datetime import datetime

import polars as pl
from polars.exceptions import ComputeError

from hinet_search.common.errors import DataError
from hinet_search.data.mapped import blocks_of

MAX_LISTED = 10
TEXTS = (pl.String, pl.Categorical, pl.Enum)


def known_values(values: pl.Series) -> pl.Series:
    """The values, with null in place of NaN."""
    return values.fill_nan(None) if values.dtype.is_float() else values


def known_column(name: str, dtype: pl.DataType) -> pl.Expr:
    """The values of a column of this type, with null in place of NaN."""
    return pl.col(name).fill_nan(None) if dtype.is_float() else pl.col(name)


def as_text(values: pl.Series) -> pl.Series:
    """Values as text; a whole float loses its `.0`, so that 1 and 1.0 are equal."""
    texts = decoded(values).cast(pl.String)
    return texts.str.strip_suffix(".0") if values.dtype.is_float() else texts


def decoded(values: pl.Series) -> pl.Series:
    """Decode bytes as UTF-8 and return other values unchanged; DataError for other bytes."""
    if values.dtype != pl.Binary:
        return values
    try:
        return values.cast(pl.String)
    except ComputeError as error:
        raise DataError(
            f"column '{values.name}' must hold text, but holds bytes that are no UTF-8",
            remedy="write the column as text, or the bytes as hexadecimal digits",
        ) from error


def refuse_undecodable(values: pl.Series) -> None:
    """DataError when a column holds bytes that are no UTF-8."""
    if values.dtype == pl.Binary:
        for block in blocks_of(len(values)):
            decoded(values[block])


def text_of(written: int | str) -> str:
    """A value of the definition as `as_text` writes it; true and false in lower case."""
    return str(written).lower() if isinstance(written, bool) else str(written)


def listed(values: Sequence[str]) -> str:
    """The first ten values, comma-separated, and how many more there are."""
    num_more = len(values) - MAX_LISTED
    more = f" and {num_more:,} more" if num_more > 0 else ""
    return ", ".join(values[:MAX_LISTED]) + more


def cut_literal(cut: int | float | str, dtype: pl.DataType) -> pl.Expr:
    """A cut point as a value of the time column; without an offset it is in the column's zone."""
    if not isinstance(cut, str):
        return pl.lit(cut)
    moment = datetime.fromisoformat(cut)
    zone = dtype.time_zone if isinstance(dtype, pl.Datetime) else None
    literal = pl.lit(moment)
    if zone is None:
        return literal
    return (
        literal.dt.convert_time_zone(zone) if moment.tzinfo else literal.dt.replace_time_zone(zone)
    )
