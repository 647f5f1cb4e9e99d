"""Transforms: propose one for a number with a far tail, or with a cycle such as that of an hour.

A tail is far if its end is ten times as far from the median as the middle 98 % are wide: the few
values there can take up most of the spread by which all are standardised. Milder tails get none, as
logs of these cost validation AUC where it was measured (docs/data.md).
Quantiles are of a bounded sample of rows from the whole table.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import ceil, log1p

import polars as pl

from hinet_search.data.guess.column_facts import ColumnFacts
from hinet_search.data.guess.names import words_of
from hinet_search.data.numbers import usable
from hinet_search.data.reading import ROW_NUMBER
from hinet_search.data.text_numbers import parsed
from hinet_search.study.feature_definition import LOG, PARTS, QUANTILE, cycle_input

MOST_ROWS = 50_000  # of the sample
FEWEST_NUMBERS = 100  # in the sample: fewer say nothing of one per cent
FEW_VALUES = 10  # up to so many distinct values have no tail
FAR = 10.0  # times as far from the median as the middle 98 % are wide
BENT = 3.0  # the slope of the log at 1 % over that at 99 %: below it the log is nearly a line
SHARES = (0.01, 0.5, 0.99)

# The length of a cycle by the last words of a name.
CYCLES = {
    "secondofday": 86_400,
    "minuteofday": 1440,
    "hourofweek": 168,
    "hour": 24,
    "hourofday": 24,
    "minute": 60,
    "minuteofhour": 60,
    "weekday": 7,
    "dayofweek": 7,
    "dow": 7,
    "month": 12,
    "monthofyear": 12,
    "dayofyear": 366,
    "yearday": 366,
    "doy": 366,
    "angle": 360,
    "azimuth": 360,
    "bearing": 360,
    "heading": 360,
}
MOST_WORDS = 3
COVERED = 0.75  # the smallest part of a cycle that values must cover


@dataclass(frozen=True)
class ProposedTransform:
    """A transform of a numeric feature as a definition writes it; `to_check` is empty when sure."""

    name: str
    transform: str
    reason: str
    to_check: str = ""


@dataclass(frozen=True)
class Quantiles:
    """Quantiles of the sample, and lowest and highest value of all rows."""

    low: float
    p1: float
    median: float
    p99: float
    high: float

    @property
    def width(self) -> float:
        """The range of the middle 98 %; 0 where nearly all values are equal."""
        return self.p99 - self.p1

    @property
    def is_far_above(self) -> bool:
        """Whether single values lie far above all others."""
        return self.high - self.median > FAR * self.width > 0

    @property
    def is_far_below(self) -> bool:
        """Whether single values lie far below all others."""
        return self.median - self.low > FAR * self.width > 0

    @property
    def of_logs(self) -> "Quantiles":
        """Quantiles of the logs; all must be at least 0."""
        return Quantiles(
            log1p(self.low), log1p(self.p1), log1p(self.median), log1p(self.p99), log1p(self.high)
        )

    @property
    def are_mended_by_logs(self) -> bool:
        """Whether the logs of an upper tail no longer lie far out."""
        if self.low < 0 or self.is_far_below:
            return False
        return 1 + self.p99 >= BENT * (1 + self.p1) and not self.of_logs.is_far_above


def propose_transforms(
    lazy: pl.LazyFrame, numeric: Sequence[ColumnFacts], taken: Collection[str]
) -> tuple[ProposedTransform, ...]:
    """Propose transforms for numeric features of a `numbered` table; `taken` are all its names."""
    columns = [column for column in numeric if column.num_values > FEW_VALUES]
    if not columns:
        return ()
    sample = _sample(lazy, columns)
    transforms = []
    for column in columns:
        transform = _cycle(column, taken) or _of_tails(column, usable(sample[column.key], None))
        if transform is not None:
            transforms.append(transform)
    return tuple(transforms)


def _sample(lazy: pl.LazyFrame, columns: Sequence[ColumnFacts]) -> pl.DataFrame:
    """At most about MOST_ROWS rows, spread over the table without a period."""
    lazy = lazy.select(
        parsed(column.key) if column.is_text else pl.col(column.key) for column in columns
    )
    step = ceil(columns[0].rows / MOST_ROWS)
    if step > 1:
        scattered = pl.col(ROW_NUMBER).cast(pl.UInt64) * 2_654_435_769 % 2**32
        lazy = lazy.with_row_index(ROW_NUMBER).filter(scattered < 2**32 // step)
    return lazy.collect(engine="streaming")


def _cycle(column: ColumnFacts, taken: Collection[str]) -> ProposedTransform | None:
    """A cycle whose name the column has, if its values fit and cover it."""
    words = words_of(column.name)
    endings = ["".join(words[-count:]) for count in range(MOST_WORDS, 0, -1)]
    length = next((CYCLES[ending] for ending in endings if ending in CYCLES), None)
    if length is None or any(cycle_input(column.name, part) in taken for part in PARTS):
        return None
    low = float(column.low)
    high = float(column.high)
    first = -length / 2 if low < 0 else 0
    if low < first or high > first + length or high - low < COVERED * length:
        return None
    return ProposedTransform(
        name=column.name,
        transform=f"{{cycle: {length}}}",
        reason=f"named like a cycle, {_number(low)} to {_number(high)}",
        to_check=f"does it begin again after {length}?",
    )


def _of_tails(column: ColumnFacts, values: pl.Series) -> ProposedTransform | None:
    """A log, or normal scores where a log does not help, for a column with a far tail."""
    numbers = values.drop_nulls()
    if len(numbers) < FEWEST_NUMBERS:
        return None
    p1, median, p99 = (float(numbers.quantile(share) or 0) for share in SHARES)
    quantiles = Quantiles(float(column.low), p1, median, p99, float(column.high))
    if not (quantiles.is_far_above or quantiles.is_far_below):
        return None
    reason = f"median {_number(median)}, "
    if quantiles.are_mended_by_logs:
        reason += f"99 % below {_number(p99)}, highest {_number(quantiles.high)}"
        return ProposedTransform(column.name, LOG, reason)
    reason += (
        f"98 % from {_number(p1)} to {_number(p99)}, "
        f"all from {_number(quantiles.low)} to {_number(quantiles.high)}"
    )
    return ProposedTransform(column.name, QUANTILE, reason)


def _number(value: float) -> str:
    """`4,310`, `0.25`, `1e+30`."""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e12 else f"{value:.3g}"
