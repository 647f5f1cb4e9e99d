"""Join: columns of a second table beside the rows of the first, whose number and order stay as they are."""

from typing import Annotated

import polars as pl
from pydantic import Field, model_validator

from hinet_search.data.checks import INTEGERS, TEXTS
from hinet_search.errors import DataError, did_you_mean
from hinet_search.frozen import Frozen, Text

MAX_EXAMPLES = 3


class Join(Frozen):
    """A table with at most one row for each value of `on`, one column or several that both tables have.

    A row without a match, or without a value in `on`, gets nulls. `columns` names those that are taken, all by default.
    """

    path: Text
    on: Text | Annotated[tuple[Text, ...], Field(min_length=1)]
    columns: tuple[Text, ...] | None = None

    @property
    def keys(self) -> list[str]:
        """The columns of `on`."""
        return [self.on] if isinstance(self.on, str) else list(self.on)

    @model_validator(mode="after")
    def _each_column_once(self) -> "Join":
        twice = {name for names in (self.keys, self.columns or ()) for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(f"a join names every column once, got more of {', '.join(sorted(twice))}")
        return self


def joined(rows: pl.LazyFrame, other: pl.LazyFrame, join: Join) -> pl.LazyFrame:
    """`rows` with the columns of `other`; DataError for missing, unlike or repeated keys and for names taken."""
    of_rows, of_other = rows.collect_schema(), other.collect_schema()
    _check_columns(join, list(of_rows), list(of_other))
    _check_keys_are_alike(join, of_rows, of_other)
    chosen = other.select(*join.keys, *_taken(join, list(of_other))).drop_nulls(join.keys)
    _check_distinct(join, chosen.select(join.keys).collect())
    alike = chosen.with_columns(pl.col(key).cast(of_rows[key], strict=False) for key in join.keys)
    return rows.join(alike, on=join.keys, how="left", maintain_order="left")


def _taken(join: Join, of_other: list[str]) -> list[str]:
    names = of_other if join.columns is None else join.columns
    return [name for name in names if name not in join.keys]


def _where(join: Join) -> str:
    return f"data.source.join: {join.path}"


def _check_columns(join: Join, of_rows: list[str], of_other: list[str]) -> None:
    problems = [
        f"{_where(join)}: key '{key}' must be a column of {table}, got none{did_you_mean(key, names)}"
        for key in join.keys
        for table, names in (("the rows", of_rows), ("the joined table", of_other))
        if key not in names
    ]
    wanted = _taken(join, of_other)
    problems += [
        f"{_where(join)}: column '{name}' is not in the joined table{did_you_mean(name, of_other)}"
        for name in wanted
        if name not in of_other
    ]
    if problems:
        raise DataError(*problems)
    both = [name for name in wanted if name in of_rows]
    if both:
        raise DataError(
            f"{_where(join)}: columns must have names that the rows do not have, got {', '.join(both)}",
            remedy="name under 'columns' those that are to be joined",
        )


def _check_keys_are_alike(join: Join, of_rows: pl.Schema, of_other: pl.Schema) -> None:
    problems = [
        f"{_where(join)}: key '{key}' must be of one kind in both tables, got {of_rows[key]} and {of_other[key]}; "
        "cast one as the other"
        for key in join.keys
        if _kind(of_rows[key]) != _kind(of_other[key])
    ]
    if problems:
        raise DataError(*problems)


def _kind(dtype: pl.DataType) -> object:
    """Whole numbers are of one kind whatever their size, texts too; any other type is a kind of its own."""
    return next((kind for kind in (INTEGERS, TEXTS) if dtype in kind), dtype)


def _check_distinct(join: Join, keys: pl.DataFrame) -> None:
    repeated = keys.group_by(join.keys).len().filter(pl.col("len") > 1).drop("len").sort(join.keys)
    if repeated.is_empty():
        return
    first = ", ".join(" x ".join(map(str, key)) for key in repeated.head(MAX_EXAMPLES).rows())
    more = ", ..." if len(repeated) > MAX_EXAMPLES else ""
    raise DataError(
        f"{_where(join)}: must have one row for each {' x '.join(join.keys)}, got more for {len(repeated):,} ({first}{more})"
    )
