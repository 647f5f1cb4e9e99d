"""Silence: which jobs have shown no sign of life for too long.

Time counts in which somebody listened: who was paused, or waited for the database, has heard nothing from anyone.
"""

from collections.abc import Callable, Collection

GAPS = 4.0  # of the longest gap between two signs of life, as which a silence must be no shorter


class Silence:
    """How long each running job has been silent. `limit` seconds are too long; with 0 none is."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._longest_gap = 0.0
        self._silent: dict[str, float] = {}

    def begins(self, key: str) -> None:
        """A job begins."""
        self._silent[key] = 0.0

    def ends(self, key: str) -> None:
        """A job has ended."""
        del self._silent[key]

    def listened(self, seconds: float, heard: Collection[str], runs: Callable[[str], bool]) -> None:
        """So long, and what was heard came from these jobs; one that does not run yet has nothing to say."""
        for key, silent in self._silent.items():
            if key in heard:
                self._longest_gap = max(self._longest_gap, silent)
                self._silent[key] = 0.0
            elif runs(key):
                self._silent[key] = silent + seconds

    def cause(self, key: str, attempts: int) -> str:
        """`silent for 10 min` of a job that was silent for too long; empty while it was not.

        Each of its attempts that died doubles what it may take: what is slow and not stuck has its end all the same.
        """
        allowed = max(self._limit, GAPS * self._longest_gap) * 2**attempts
        return f"silent for {allowed / 60:.3g} min" if self._limit and self._silent[key] >= allowed else ""
