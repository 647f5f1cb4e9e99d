"""Facts: what every column of a table holds, for whoever guesses what it means. Two passes over the rows, streamed."""

from dataclasses import dataclass
from typing import Any

import polars as pl

from hinet_search.data.matching import as_text

FEW_VALUES = 30  # no more are counted one by one
_ORDERED = (pl.String, pl.Boolean, pl.Date, pl.Datetime, pl.Categorical, pl.Enum)


@dataclass(frozen=True)
class ColumnFacts:
    """One column. `values` are the values as text with their rows, the most frequent first, where they are few.

    `low` and `high` are those of numbers (without NaN and infinity), dates and datetimes. `num_dates` counts texts that
    are ISO dates, of a sample.
    """

    name: str
    dtype: pl.DataType
    rows: int
    missing: int
    num_values: int  # distinct ones, null not counted; about right where there are many
    low: Any = None
    high: Any = None
    not_finite: int = 0
    values: tuple[tuple[str, int], ...] = ()
    holds_dates_as_text: bool = False

    @property
    def is_number(self) -> bool:
        """Numbers, not true and false."""
        return self.dtype.is_numeric()

    @property
    def is_binary(self) -> bool:
        """Whether it holds 0 and 1 (or true and false) in every row, both of them."""
        two = {text for text, _ in self.values}
        return (
            self.missing == 0
            and two in ({"0", "1"}, {"true", "false"})
            and (self.is_number or self.dtype == pl.Boolean)
        )


def facts_of(lazy: pl.LazyFrame) -> tuple[ColumnFacts, ...]:
    """The facts of every column, in order."""
    dtypes = dict(lazy.collect_schema())
    counted = lazy.select(
        pl.len().alias("rows"), *(one for name, dtype in dtypes.items() for one in _counts(name, dtype))
    ).collect(engine="streaming")
    found = counted.row(0, named=True)
    sample = lazy.head(1000).collect()
    return tuple(_facts(name, dtype, found, lazy, sample) for name, dtype in dtypes.items())


def _counts(name: str, dtype: pl.DataType) -> list[pl.Expr]:
    column = pl.col(name)
    asked = {"missing": column.null_count()}
    if not dtype.is_nested() and dtype not in (pl.Null, pl.Binary, pl.Object):
        asked["num"] = column.drop_nulls().approx_n_unique() if _is_countable(dtype) else column.drop_nulls().n_unique()
    if dtype.is_float():
        finite = column.filter(column.is_finite())
        asked |= {"low": finite.min(), "high": finite.max(), "not_finite": (~column.is_finite()).sum()}
    elif dtype.is_numeric() or dtype.is_temporal():
        asked |= {"low": column.min(), "high": column.max()}
    return [one.alias(f"{what} {name}") for what, one in asked.items()]


def _is_countable(dtype: pl.DataType) -> bool:
    return dtype.is_integer() or dtype == pl.String


def _facts(
    name: str, dtype: pl.DataType, found: dict[str, Any], lazy: pl.LazyFrame, sample: pl.DataFrame
) -> ColumnFacts:
    missing, num_values = int(found[f"missing {name}"]), int(found.get(f"num {name}", 0))
    values: tuple[tuple[str, int], ...] = ()
    if 0 < num_values <= FEW_VALUES and not dtype.is_temporal():
        counts = lazy.group_by(name).agg(pl.len().alias(f"rows of {name}")).drop_nulls(name).collect()
        counts = counts.sort([f"rows of {name}", name], descending=[True, False])
        values = tuple(zip(as_text(counts[name]).to_list(), counts[f"rows of {name}"].to_list(), strict=True))
        num_values = len(values)
    return ColumnFacts(
        name=name, dtype=dtype, rows=int(found["rows"]), missing=missing, num_values=num_values,
        low=found.get(f"low {name}"), high=found.get(f"high {name}"), not_finite=int(found.get(f"not_finite {name}") or 0),
        values=values, holds_dates_as_text=dtype == pl.String and _holds_dates(sample[name]),
    )  # fmt: skip


def _holds_dates(texts: pl.Series) -> bool:
    present = texts.drop_nulls()
    return len(present) > 0 and present.str.contains(r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?$").all()
