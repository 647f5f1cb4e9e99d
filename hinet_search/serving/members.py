"""Members: the models of an exported folder, and the weighted average of their scores.

Shape legend: R rows, T tasks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hinet_search.data.columns import ChosenInputs, Columns
from hinet_search.results.statistics.ensemble import RunningMean
from hinet_search.serving.model_file import ModelFile


class ScoresColumns(Protocol):
    """Scores encoded rows with a model, a torch module or trees."""

    @property
    def model(self) -> object:
        """The model."""
        ...

    def scores(self, columns: Columns) -> NDArray[np.float32]:
        """Return logits (R, T); of amounts, their logs."""
        ...


@dataclass(frozen=True)
class ExportedMember:
    """A model in memory: its seed, its weight in the average, and the inputs that it reads."""

    seed: int
    weight: float
    inputs: ChosenInputs
    model: ScoresColumns


def average(
    members: Sequence[ExportedMember], file: ModelFile, columns: Columns
) -> NDArray[np.float32]:
    """Scores (R, T) of the weighted mean of scores, or of expected labels: `file` says which.

    A score is a logit, or the log of an expected amount in its unit. NaN where a member has no
    finite score: an infinite logit would pass for a probability of 1. Only one member's scores, and
    one selection of the columns, are in memory at a time.
    """
    scale = file.scale if len(members) > 1 else "logits"  # one member's scores are kept
    mean = RunningMean(scale, file.inputs.is_amount)
    is_finite_RT = np.ones((columns.num_rows, columns.labels_RT.shape[1]), dtype=np.bool_)
    inputs = None
    selected = columns
    for member in members:
        if member.inputs != inputs:
            inputs = member.inputs
            selected = member.inputs.columns(columns)
        is_finite_RT &= _add(mean, member, selected)
    return np.where(is_finite_RT, mean.result(), np.float32(np.nan))


def _add(mean: RunningMean, member: ExportedMember, columns: Columns) -> NDArray[np.bool_]:
    """Add the scores of a member; return where they are finite (R, T)."""
    scores_RT = member.model.scores(columns)
    is_finite_RT = np.isfinite(scores_RT)
    mean.add(np.where(is_finite_RT, scores_RT, np.float32(0)), member.weight)
    return is_finite_RT
