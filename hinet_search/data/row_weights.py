"""Row weights: the column that says what every row counts in training, checked and read.

Metrics, vocabularies and statistics count all rows alike.
Shape legend: R rows, B rows of a block.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.blocks import blocks_of
from hinet_search.data.labels import LARGEST_AMOUNT, examples_of, is_amount, is_number
from hinet_search.data.mapped import mapped_array
from hinet_search.results.data_record import WeightRecord

FEW_EFFECTIVE = 0.1  # of the training rows


@dataclass(frozen=True)
class RowWeights:
    """The weight of every row, in units of the mean of the training rows, and what they carry."""

    weight_R: NDArray[np.float32]
    record: WeightRecord
    num_rows: int  # of training

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warn if the rows of training are worth few rows of equal weights."""
        if self.record.effective_rows >= FEW_EFFECTIVE * self.num_rows:
            return ()
        facts = self.record.in_words(self.num_rows)
        return (f"few rows carry most of the weight {facts}; cap weights that are very large",)


def weight_type_problems(name: str | None, dtypes: Mapping[str, pl.DataType]) -> list[str]:
    """A column of weights, if there is one, that holds no numbers."""
    if name is None or name not in dtypes or is_number(dtypes[name]):
        return []
    return [f"column '{name}' must hold weights, got {dtypes[name]}; write them as numbers"]


def weight_problems(values: pl.Series) -> list[str]:
    """Values of a column of numbers that are no weights."""
    examples = examples_of(values, is_amount)
    if not examples:
        return []
    must = f"column '{values.name}' must hold weights of 0 to {LARGEST_AMOUNT:g}"
    return [f"{must}, got {examples}; write 0 where training must leave a row out"]


def read_weights(
    values: pl.Series, is_train_R: NDArray[np.bool_], cache: Path | None
) -> RowWeights:
    """Read checked weights, of which some are above 0 in train.

    Means over training rows are as exact as those over so many rows of equal weights: the squared
    sum of the weights over the sum of their squares (Kish, Survey Sampling, 1965).
    """
    blocks = list(blocks_of(len(values)))
    num_rows = int(is_train_R.sum())
    total = sum(float(numbers_of(values[block])[is_train_R[block]].sum()) for block in blocks)
    mean = total / num_rows
    scaled = ((numbers_of(values[block]) / mean).astype(np.float32) for block in blocks)
    weight_R = mapped_array(scaled, cache)
    sum_of_squares = 0.0
    for block in blocks:
        weight_B = weight_R[block][is_train_R[block]].astype(np.float64)
        sum_of_squares += float(weight_B @ weight_B)
    effective_rows = round(num_rows**2 / sum_of_squares)
    return RowWeights(weight_R, WeightRecord(values.name, effective_rows), num_rows)


def numbers_of(values: pl.Series) -> NDArray[np.float64]:
    """Checked weights as they are in the table (R,)."""
    return values.cast(pl.Float64).to_numpy()
