"""Members: the models of an exported folder, and the weighted average of their scores.

Shape legend: R rows, T tasks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hinet_search.data.columns import ChosenInputs, Columns
from hinet_search.results.ensemble_records import Scale
from hinet_search.results.statistics.ensemble import RunningMean


class ScoresColumns(Protocol):
    """Scores encoded rows with a model, a torch module or trees."""

    @property
    def model(self) -> object:
        """The model."""
        ...

    def scores(self, columns: Columns) -> NDArray[np.float32]:
        """Return logits (R, T)."""
        ...


@dataclass(frozen=True)
class ExportedMember:
    """A model in memory: its seed, its weight in the average, and the inputs that it reads."""

    seed: int
    weight: float
    inputs: ChosenInputs
    model: ScoresColumns


def average(
    members: Sequence[ExportedMember], scale: Scale, columns: Columns
) -> NDArray[np.float32]:
    """Logits (R, T) of the weighted mean of logits or probabilities.

    NaN where a member has no finite logit: an infinite one would pass for a probability of 1. Only
    one member's logits, and one selection of the columns, are in memory at a time.
    """
    mean = RunningMean(scale if len(members) > 1 else "logits")  # one member's logits are kept
    is_finite_RT = np.ones((columns.num_rows, columns.labels_RT.shape[1]), dtype=np.bool_)
    inputs, selected = None, columns
    for member in members:
        if member.inputs != inputs:
            inputs, selected = member.inputs, member.inputs.columns(columns)
        is_finite_RT &= _add(mean, member, selected)
    return np.where(is_finite_RT, mean.result(), np.float32(np.nan))


def _add(mean: RunningMean, member: ExportedMember, columns: Columns) -> NDArray[np.bool_]:
    """Add the logits of a member; return where they are finite (R, T)."""
    logits_RT = member.model.scores(columns)
    is_finite_RT = np.isfinite(logits_RT)
    mean.add(np.where(is_finite_RT, logits_RT, np.float32(0)), member.weight)
    return is_finite_RT
