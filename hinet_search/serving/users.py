"""Users: number the users of new rows, as rows of one user are alike.

Shape legend: R rows.
"""

from collections.abc import Collection

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.encode import known_values
from hinet_search.serving.model_folder import ExportedModel


def user_column(exported: ExportedModel, names: Collection[str]) -> str | None:
    """The column of users that the study named, if rows with columns of these names have it."""
    rows = exported.file.rows
    return rows.user if rows is not None and rows.user in names else None


def user_numbers(values: pl.Series | None, num_rows: int) -> NDArray[np.int32]:
    """The number of every row's user (R,), -1 where it is missing, and without a column."""
    if values is None:
        return np.full(num_rows, -1, dtype=np.int32)
    numbers = known_values(values).rank("dense").cast(pl.Int32) - 1
    return numbers.fill_null(-1).to_numpy()
