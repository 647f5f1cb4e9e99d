"""Paired runs: trainings beside the finalists, with and without something, paired by seed."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import isfinite


@dataclass(frozen=True)
class PairedRun:
    """A training without the groups of inputs, or the choices of the search, that are `left_out`.

    `arm` is the arm whose default configuration measures inputs, or for choices the finalist
    (`hinet/12`); no arm has a slash in its name.
    """

    arm: str
    left_out: tuple[str, ...]
    seed: int
    value: float  # the objective on validation

    @property
    def is_of_choices(self) -> bool:
        """Whether it measures choices."""
        return "/" in self.arm


def values_by_seed(runs: Sequence[PairedRun], left_out: Collection[str]) -> dict[int, float]:
    """Return the finite values of the trainings without exactly these."""
    return {
        run.seed: run.value
        for run in runs
        if set(run.left_out) == set(left_out) and isfinite(run.value)
    }
