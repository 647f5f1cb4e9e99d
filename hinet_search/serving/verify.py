"""Verify: raw rows must score from a folder as they are known to, those of test as in training.

Shape legend: R rows, T tasks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.common.errors import DataError
from hinet_search.data.columns import SPLITS
from hinet_search.data.derived.log_state import inputs_after, sequences_after
from hinet_search.data.derived.moments import NO_TIME, Moments, moments_of
from hinet_search.data.derived.rows_of_log import some_rows
from hinet_search.data.reading import ROW_NUMBER
from hinet_search.data.rows import Rows, reading_of, source_rows
from hinet_search.data.times import LONGEST
from hinet_search.serving.encoder import Encoder
from hinet_search.serving.history import NOT_ROLLED, RolledInputs
from hinet_search.serving.log_tables import log_state_of_study
from hinet_search.serving.members import ExportedMember, average
from hinet_search.serving.model_folder import ExportedModel
from hinet_search.serving.row_columns import cast_rows
from hinet_search.study.data_definition import DataDefinition

MAX_ROWS = 1_000
# Of a logit, relative to logits above 1: what the order of additions and the device may change.
TOLERANCE = 1e-4
AS_IN_TRAINING = "test rows must score as in training"
LAUNCH_ANEW = (
    "launch the study again under another name if its rows or the versions of its libraries have "
    "changed, and export that one; else report it"
)


@dataclass(frozen=True)
class KnownScores:
    """Logits (R, T) that all rows must have: of one seed, or of the average of all members."""

    seed: int | None  # None for the ensemble
    logits_RT: NDArray[np.float32]

    @property
    def title(self) -> str:
        """`seed 12`, or `all members`."""
        return "all members" if self.seed is None else f"seed {self.seed}"

    def members(self, exported: ExportedModel) -> Sequence[ExportedMember]:
        """Return the members of a folder whose average has these scores."""
        return [member for member in exported.members if self.seed in (None, member.seed)]


@dataclass(frozen=True)
class Verification:
    """The number of rows that were scored, and the largest difference of a logit."""

    rows: int
    difference: float


@dataclass(frozen=True)
class RowSample:
    """Raw rows, their positions among those with known scores, and what they see of the log.

    `how` says which rows they are, and how they must score.
    """

    raw: pl.DataFrame
    position_R: NDArray[np.intp]
    log: RolledInputs
    how: str
    remedy: str


def verify_scores(
    exported: ExportedModel, sample: RowSample, known: Sequence[KnownScores]
) -> Verification:
    """Score the rows of a sample, and compare with the `known` scores of all.

    DataError when a row does not score the same.
    """
    encoder = exported.encoder
    frame = cast_rows(encoder.inputs, sample.raw.lazy(), encoder.types).collect()
    columns = encoder.columns(frame, sample.log)
    largest = 0.0
    for scores in known:
        known_RT = scores.logits_RT[sample.position_R].astype(np.float64)
        folder_RT = average(scores.members(exported), exported.file, columns)
        difference_RT = np.abs(folder_RT - known_RT)
        tolerance_RT = TOLERANCE * np.maximum(1.0, np.abs(known_RT))
        agrees_R = np.all(difference_RT <= tolerance_RT, axis=1)
        if not agrees_R.all():
            raise _difference(exported, scores.title, sample, difference_RT, agrees_R)
        largest = max(largest, float(difference_RT.max(initial=0.0)))
    return Verification(len(sample.raw), largest)


def sample_test_rows(
    definition: DataDefinition, folder: Path, cache: Path, rows: Rows, encoder: Encoder
) -> RowSample:
    """Evenly spaced rows of the test split, from the source."""
    test_rows = np.flatnonzero(rows.split_R == SPLITS.index("test"))
    spaced = np.linspace(0, test_rows.size - 1, min(MAX_ROWS, test_rows.size))
    position_R = np.unique(spaced.astype(np.intp))
    numbers = pl.Series(rows.row_R[test_rows[position_R]])
    lazy = source_rows(definition, folder, cache).with_row_index(ROW_NUMBER)
    with reading_of(definition):
        raw = lazy.filter(pl.col(ROW_NUMBER).is_in(numbers.implode())).collect(engine="streaming")
    log = _log_of_sample(definition, rows, encoder, test_rows[position_R])
    return RowSample(raw.sort(ROW_NUMBER), position_R, log, AS_IN_TRAINING, LAUNCH_ANEW)


def _log_of_sample(
    definition: DataDefinition, rows: Rows, encoder: Encoder, sample: NDArray[np.intp]
) -> RolledInputs:
    """What some test rows see of the log: a state as of the first of them goes on from there."""
    if encoder.inputs.log is None:
        return NOT_ROLLED
    moments = moments_of(definition, rows)
    is_timed = moments.time_R[sample] != NO_TIME
    first = moments.time_R[sample[is_timed]].min(initial=LONGEST)
    is_before_R = (moments.time_R < first) & (moments.time_R != NO_TIME)
    before = np.flatnonzero(is_before_R)
    later = np.flatnonzero(~is_before_R)
    state = log_state_of_study(definition, encoder.inputs, encoder.types, rows, before)
    assert state is not None, "there are inputs of a log"
    later_rows = some_rows(rows, later)
    at_later = Moments(moments.time_R[later], moments.unit)
    place = np.searchsorted(later, sample)
    seen = RolledInputs(
        log=inputs_after(state, later_rows, at_later),
        sequences=sequences_after(state, later_rows, at_later),
    )
    return seen.of(place)


def _difference(
    exported: ExportedModel,
    title: str,
    sample: RowSample,
    difference_RT: NDArray[np.float64],
    agrees_R: NDArray[np.bool_],
) -> DataError:
    file = exported.file
    return DataError(
        f"{file.study}/{file.name}, {title}: {len(agrees_R):,} {sample.how}, but "
        f"{(~agrees_R).sum():,} do not: a logit differs by up to {np.nanmax(difference_RT):.3g}; "
        "nothing is exported",
        remedy=sample.remedy,
    )
