"""Clock: a time axis for pictures, linear or logarithmic, with round times as labels."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log10
from statistics import median

from markupsafe import Markup

from hinet_search.report.figures import Axis
from hinet_search.report.markup import tag

CROWDED = 8  # with half of all times in the first eighth, a linear axis would show one step and a flat line
MOST_LABELS = 6
UNITS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "m"), (1.0, "s"))
ROUND = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 18_000, 36_000, 86_400, 172_800, 432_000, 864_000)


@dataclass(frozen=True)
class Clock:
    """A time axis; `axis` is over seconds, or over their logarithm."""

    axis: Axis
    log: bool

    @property
    def words(self) -> str:
        """What the axis shows."""
        return f"training time of the arm{', log scale' if self.log else ''}"

    def along(self, seconds: float) -> float:
        """A time in the axis's own unit; on a logarithmic axis what lies before its start is there."""
        return (
            max(self.axis.low, log10(seconds)) if self.log and seconds > 0 else self.axis.low if self.log else seconds
        )

    def labels(self) -> Iterator[Markup]:
        """Round times at their places; every second one has room on wide screens only."""
        for k, (seconds, text) in enumerate(self._round_times()):
            place = self.axis.place(self.along(seconds))
            yield tag("span", text, class_="tx wide" if k % 2 else "tx", style=f"left:{place:.1f}%")

    def _round_times(self) -> list[tuple[float, str]]:
        if self.log:
            inside = [float(size) for size in ROUND if self.axis.low <= log10(size) <= self.axis.high]
            kept = inside[:: max(1, -(-len(inside) // MOST_LABELS))]
            return [(seconds, _in_its_unit(seconds)) for seconds in kept]
        size, unit = next((one for one in UNITS if self.axis.high >= 2 * one[0]), UNITS[-1])
        ticks = Axis(self.axis.low / size, self.axis.high / size).ticks(MOST_LABELS)
        return [(size * tick, f"{tick:g} {unit}" if tick else "0") for tick in ticks]


def clock_over(times: Sequence[float], longest: float) -> Clock:
    """An axis up to `longest` on which most of `times` can be told apart; seconds.

    Logarithmic from the first of the times where half of them lie in the first eighth, otherwise linear from 0.
    """
    later = sorted(time for time in times if time > 0)
    if later and later[0] < longest and median(later) < longest / CROWDED:
        return Clock(Axis(log10(later[0]), log10(longest)), log=True)
    return Clock(Axis(0.0, longest or 1.0), log=False)


def _in_its_unit(seconds: float) -> str:
    size, unit = next((one for one in UNITS if seconds >= one[0]), UNITS[-1])
    return f"{seconds / size:g} {unit}"
