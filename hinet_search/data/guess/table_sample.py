"""Table sample: rows of a table by which features are judged before the data are encoded.

Shape legend: R rows, T tasks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.frequent import is_positive
from hinet_search.data.guess.column_facts import ColumnFacts
from hinet_search.data.guess.roles import ColumnRoles

MAX_ROWS = 200_000  # every k-th of more
ROW = "row"


@dataclass(frozen=True)
class TableSample:
    """Scenario, labels and features of some rows of the numbered table; each has a scenario."""

    frame: pl.DataFrame
    scenario: ColumnFacts
    labels: Sequence[ColumnFacts]
    labels_RT: NDArray[np.uint8]

    def __getitem__(self, column: ColumnFacts) -> pl.Series:
        return self.frame[column.key]


def sample_of(lazy: pl.LazyFrame, roles: ColumnRoles) -> TableSample:
    """Every k-th row of the numbered table; it must have a scenario."""
    assert roles.scenario is not None, "only called with a scenario"
    scenario = roles.scenario.column
    labels = [role.column for role in roles.tasks]
    features = [role.column for role in (*roles.categorical, *roles.numeric)]
    keys = dict.fromkeys(column.key for column in (scenario, *labels, *features))
    step = -(-scenario.rows // MAX_ROWS)
    every = lazy.select(list(keys)).with_row_index(ROW).filter(pl.col(ROW) % step == 0)
    frame = every.drop_nulls(scenario.key).collect(engine="streaming")
    labels_RT = frame.select(is_positive(label) for label in labels).to_numpy().astype(np.uint8)
    return TableSample(frame, scenario, labels, labels_RT)
