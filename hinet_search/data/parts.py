"""Parts: which part of a data set, train, valid or test, a row belongs to by a number of it."""

from collections.abc import Mapping

import polars as pl


def part_of(number: pl.Expr | pl.Series, first: Mapping[str, float]) -> pl.Expr:
    """Return the part whose first number is the last one not above a row's, named `split`.

    `first` has the parts in order; below all of them a row belongs to the first.
    """
    value = number if isinstance(number, pl.Expr) else pl.lit(number)
    names = iter(first)
    part = pl.lit(next(names))
    for name in names:
        part = pl.when(value >= first[name]).then(pl.lit(name)).otherwise(part)
    return part.alias("split")
