"""Statistics definition: label rates and row counts of keys, and how fresh they are."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from hinet_search.common.frozen_model import LEFT_OUT_IF_NONE, Positive, Text
from hinet_search.study.event_definition import NANOSECONDS, NEVER, Gap, KeyedDefinition, Span

Refresh = Literal["day", "hour", "never"]
DAY: Literal["day"] = "day"
HOUR: Literal["hour"] = "hour"

DayLength = Annotated[float, Field(gt=0, le=1e18)]
LEFT_OUT_IF_NEVER = Field(exclude_if=lambda value: value == NEVER)


class StatisticsDefinition(KeyedDefinition):
    """Target statistics: per key and task a smoothed label rate, and per key its number of rows.

    A key is one column or several together. `clock` is a column of dates, datetimes, or numbers
    that are the same all day: with it a row counts labels of strictly earlier days, without it
    training rows are counted out of fold. For a clock of numbers that grow during a day,
    `day_length` is the length of a day in its unit: 86400 for seconds. `smoothing` is the number of
    rows at the mean rate that are added to every key.

    `refresh` says how often production counts labels anew: every `day`, every `hour`, or `never`
    after the model was made. Rows of valid and test then count what production knows at their time:
    by `day` or `hour` also earlier labels of their own split. `labels_after` is how long after its
    row a label is known, in whole days, or hours with `refresh: hour`. With a `half_life` a label
    counts half after each.
    """

    kind: ClassVar[str] = "statistics"

    clock: Text | None = None
    day_length: DayLength | None = None
    smoothing: Positive = 20.0
    folds: Annotated[int, Field(ge=2, le=100)] = 5
    refresh: Annotated[Refresh, LEFT_OUT_IF_NEVER] = NEVER
    labels_after: Annotated[Span | None, LEFT_OUT_IF_NONE] = None
    half_life: Annotated[Gap | None, LEFT_OUT_IF_NONE] = None

    @property
    def is_frozen(self) -> bool:
        """Whether no row counts labels of its own split, other than rows of train."""
        return self.refresh == NEVER

    @property
    def period(self) -> str:
        """What labels are counted by: `day` or `hour`."""
        return HOUR if self.refresh == HOUR else DAY

    @property
    def delay(self) -> int:
        """How many days, or hours, before its own a row counts none of, as labels come later."""
        if self.labels_after is None:
            return 0
        return self.labels_after.nanoseconds // NANOSECONDS[self.period[0]]

    @property
    def half_life_periods(self) -> float | None:
        """The half-life in days, or hours."""
        if self.half_life is None:
            return None
        return self.half_life.nanoseconds / NANOSECONDS[self.period[0]]

    @model_validator(mode="after")
    def _fresh_by_a_clock(self) -> "StatisticsDefinition":
        said = [f"refresh: {self.refresh}"] if self.refresh != NEVER else []
        said += [f"labels_after: {self.labels_after}"] if self.labels_after is not None else []
        said += [f"half_life: {self.half_life}"] if self.half_life is not None else []
        if said and self.clock is None:
            raise ValueError(
                f"'{said[0]}' needs a clock, which says when a row was: name a time column under "
                f"'clock', or remove {said[0].partition(':')[0]}"
            )
        length = NANOSECONDS[self.period[0]]
        if self.labels_after is not None and self.labels_after.nanoseconds % length:
            raise ValueError(
                f"labels_after must be whole {self.period}s, as labels are counted by the "
                f"{self.period}, got {self.labels_after}; round it up"
            )
        return self

    @model_validator(mode="after")
    def _days_of_a_clock(self) -> "StatisticsDefinition":
        if self.day_length is not None and self.clock is None:
            raise ValueError(
                "'day_length' divides the numbers of a clock into days, but there is no clock: "
                "name a time column under 'clock', or remove 'day_length'"
            )
        return self
