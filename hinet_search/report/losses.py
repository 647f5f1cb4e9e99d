"""Losses: cells in which an arm is worse than the reference, decided by intervals that hold for all cells at once."""

from collections.abc import Sequence
from dataclasses import dataclass

from hinet_search.compare import SEEDS_FOR_A_CLAIM, CellDifference
from hinet_search.report import numbers, reading


@dataclass(frozen=True)
class Losses:
    """`worse` names the cells that are decided worse, the deepest first; `below` counts those that lie below undecided.

    With fewer than five `seeds` they are an observation: what is said of them is no claim, and says so.
    """

    worse: tuple[str, ...]
    below: int
    seeds: int

    def verb(self, against: str) -> str:
        """What the arm does in the cells of `worse`."""
        if self.seeds >= SEEDS_FOR_A_CLAIM:
            return f"is worse than {against}"
        return f"lies below {against} by more than the interval"

    @property
    def undecided(self) -> str:
        """The cells of `below`, to stand behind a sentence that finds none worse."""
        if not self.below:
            return ""
        return f"; {'one lies' if self.below == 1 else f'{self.below} lie'} below by less than can be decided"

    @property
    def caveat(self) -> str:
        """What few seeds are good for, to stand at the end of a sentence."""
        if self.seeds >= SEEDS_FOR_A_CLAIM:
            return ""
        return f" (an observation with {numbers.plural(self.seeds, 'seed')}, not a claim)"


def losses(cells: Sequence[CellDifference]) -> Losses | None:
    """Of cells against the reference; None where none of them has a value."""
    known = [(one.difference, one) for one in cells if one.difference is not None]
    if not known:
        return None
    worse = sorted((found.mean, cell.scenario, cell.task) for found, cell in known if found.mark == "worse")
    return Losses(
        tuple(f"{reading.cell_in_words(*cell)} {numbers.gain(mean)}." for mean, *cell in worse),
        below=sum(found.mean < 0 and found.mark != "worse" for found, _ in known),
        seeds=min(found.pairs for found, _ in known),
    )
