"""Outcome: what a night came to, as it is noted, printed and registered."""

from dataclasses import dataclass, field
from typing import Literal

Outcome = Literal["promoted", "kept", "learned before"]


@dataclass(frozen=True)
class Gain:
    """A gain in the unit of the objective; the ends of its interval are None with few users."""

    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Night:
    """One night; `served` is the model that is served after it.

    `by_refit` is the gain of the refit over the model before, on held-out rows that judge;
    `over_shipped` that of the model before over the shipped one, on all rows. None: nothing was
    fit, and they are the same model. `made` is the new model, empty unless it is promoted.
    `new_ids` and `forgotten_ids` of the refit are counted by column or list, and rows of scenarios
    that the model does not have, which are left out, by scenario. `warnings` are of what decides
    nothing: a registry that lacks the model.
    """

    began: str
    rows: str
    num_rows: int
    outcome: Outcome
    served: str
    verdict: str = ""
    made: str = ""
    by_refit: Gain | None = None
    over_shipped: Gain | None = None
    new_ids: dict[str, int] = field(default_factory=dict)
    forgotten_ids: dict[str, int] = field(default_factory=dict)
    other_scenarios: dict[str, int] = field(default_factory=dict)
    alarms: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0
