"""Serving limits: what a shipped model may cost."""

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hinet_search.results.records import Cost


@dataclass(frozen=True)
class ServingCost:
    """What it costs to score a row, and 100 rows at once; None if that was not timed."""

    flops_per_row: int
    milliseconds_per_100: float | None


@dataclass(frozen=True)
class ServingLimits:
    """What a shipped model may cost; None sets no limit.

    Milliseconds are those of scoring 100 rows as one request, as measured for finalists.
    """

    max_ms_per_100_rows: float | None = None
    max_flops_per_row: float | None = None

    def share(self, cost: "Cost | ServingCost") -> float:
        """Return the larger share that a model takes of the limits; above 1 it does not meet them.

        Infinite if there is a limit on a time that was not measured.
        """
        shares = [0.0]
        if self.max_ms_per_100_rows is not None:
            milliseconds = cost.milliseconds_per_100
            shares.append(inf if milliseconds is None else milliseconds / self.max_ms_per_100_rows)
        if self.max_flops_per_row is not None:
            shares.append(cost.flops_per_row / self.max_flops_per_row)
        return max(shares)

    @property
    def are_set(self) -> bool:
        """Whether there is any limit."""
        return self != NO_LIMITS


NO_LIMITS = ServingLimits()
