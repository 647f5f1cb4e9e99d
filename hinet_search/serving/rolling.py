"""Rolling: the statistics of new rows that have labels, and the label counts after them.

A row counts labels of the state and of the new rows, those known when its day (or hour) began.
Rows without a label count others, and are not counted. Days that the state has counted are not
counted again, so rows that come twice change nothing.
Shape legend: R rows.
"""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from hinet_search.data.derived.rolled_statistics import (
    is_counted,
    newer_statistics,
    rolled_counts,
)
from hinet_search.data.splits import LEFT_OUT
from hinet_search.serving.encoder import Encoder
from hinet_search.serving.label_columns import LabelsOfRows
from hinet_search.serving.model_folder import ExportedModel
from hinet_search.serving.state import refreshed_statistics

TRAIN = 0


@dataclass(frozen=True)
class Rolled:
    """What new rows have, and what they leave.

    `statistics` (R rows) are their inputs, `encoder` has the counts after them. `counted` rows were
    added; `unlabelled` ones lack a label, and `again` are of days that were counted before.
    """

    statistics: pl.DataFrame
    encoder: Encoder
    counted: int
    unlabelled: int
    again: int


def roll(exported: ExportedModel, frame: pl.DataFrame, labels: LabelsOfRows) -> Rolled:
    """Roll the label counts of a model over the rows of `frame`, which are checked."""
    encoder, definition = exported.encoder, refreshed_statistics(exported)
    before, clock = encoder.history.counts, definition.clock
    assert before is not None, "a model with statistics has their counts"
    assert clock is not None, "nothing is counted anew without one"
    split_R = np.where(labels.is_labelled_R, TRAIN, LEFT_OUT).astype(np.uint8)
    rows = encoder.rows(frame, labels.labels_RT, split_R)
    is_again_R = labels.is_labelled_R & is_counted(before, definition, frame[clock])
    statistics = newer_statistics(before, definition, rows, encoder.inputs.tasks)
    counts = rolled_counts(before, definition, rows)
    num_again, num_labelled = int(is_again_R.sum()), int(labels.is_labelled_R.sum())
    return Rolled(
        statistics,
        replace(encoder, history=replace(encoder.history, counts=counts)),
        counted=num_labelled - num_again,
        unlabelled=len(frame) - num_labelled,
        again=num_again,
    )
