"""Collisions: how many values of training rows share a bucket of a hashed field."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

import polars as pl

from hinet_search.common.amounts import percent
from hinet_search.data.encode import VALUE, Encoding, TrainingRows, in_buckets
from hinet_search.data.raw_values import known_column
from hinet_search.study.hashed_definition import MOST_BUCKETS

MOST_ROWS = 2**20  # whose values are counted, on average: of more rows, in a part of the buckets
FEWEST_BUCKETS = 1000
WARN_ABOVE = 0.25  # of the values; with four buckets a value it is 22 %
ENOUGH = 10  # buckets a value
BUCKET = "bucket"


@dataclass(frozen=True)
class Collisions:
    """The values of a hashed field in training rows, and the shares of those that collide.

    `shared` is the share of values that have a bucket together with others, `outnumbered` that of
    rows whose value is not the most frequent of its bucket. If not all buckets were counted,
    all of it is estimated from a part of them.
    """

    name: str
    num_buckets: int
    num_values: int
    shared: float
    outnumbered: float
    is_estimate: bool

    @property
    def in_words(self) -> str:
        """The numbers in a sentence."""
        about = "about " if self.is_estimate else ""
        return (
            f"{self.name}: {about}{percent(self.shared)} of {self.num_values:,} values of train "
            f"share one of {self.num_buckets:,} buckets; {about}{percent(self.outnumbered)} of "
            "rows have a value that is not the most frequent of its bucket"
        )


def collisions(train: TrainingRows, encoding: Encoding) -> Iterator[Collisions]:
    """Yield the collisions of every hashed field."""
    for name, num_buckets in encoding.hashed.items():
        parts = ceil(train.num_rows / MOST_ROWS)
        yield _collisions_of(train, name, num_buckets, min(parts, num_buckets // FEWEST_BUCKETS))


def _collisions_of(train: TrainingRows, name: str, num_buckets: int, parts: int) -> Collisions:
    """Count the values in one of so many parts of the buckets, or in all of them."""
    step = max(parts, 1)
    column = known_column(name, train.frame[name].dtype)
    values = train.of_train(name).select(
        column.alias(VALUE), in_buckets(column, num_buckets).alias(BUCKET)
    )
    chosen = values.drop_nulls().filter(pl.col(BUCKET) % step == 0)
    rows = chosen.group_by(VALUE).agg(pl.col(BUCKET).first(), pl.len().alias("rows"))
    of_buckets = rows.group_by(BUCKET).agg(
        pl.len().alias("values"),
        pl.col("rows").sum().alias("all"),
        pl.col("rows").max().alias("most"),
    )
    counted = of_buckets.collect(engine="streaming")
    num_values = int(counted["values"].sum())
    num_shared = int(counted["values"].filter(counted["values"] > 1).sum())
    num_rows = int(counted["all"].sum())
    num_outnumbered = num_rows - int(counted["most"].sum())
    return Collisions(
        name=name,
        num_buckets=num_buckets,
        num_values=num_values * step,
        shared=num_shared / max(num_values, 1),
        outnumbered=num_outnumbered / max(num_rows, 1),
        is_estimate=step > 1,
    )


def collision_warnings(train: TrainingRows, encoding: Encoding) -> Iterator[str]:
    """Warn of hashed fields with too few buckets for their values."""
    for each in collisions(train, encoding):
        if each.shared > WARN_ABOVE:
            enough = min(ENOUGH * each.num_values, MOST_BUCKETS)
            yield (
                f"{each.in_words}; {enough:,} buckets would be shared less, and those without a "
                "row of train cost nothing"
            )
