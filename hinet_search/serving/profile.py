"""Profile: what the rows of a study looked like, kept beside an exported model for `monitor`.

The model is not read from it. Numbers are those of inputs after encoding.
Shape legend: R rows, N numeric inputs, F categorical fields, K knots of an input.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError, model_validator

from hinet_search.common.errors import DataError
from hinet_search.common.frozen_model import Frozen, Text
from hinet_search.data.columns import Columns, Dataset
from hinet_search.data.schema import Schema
from hinet_search.serving.sealed import AGAIN, PROFILE
from hinet_search.study.data_definition import TaskDefinition

MAX_KNOTS = 101
MAX_ROWS = 100_000  # of train: every k-th of more

Share = Annotated[float, Field(ge=0, le=1)]
Number = Annotated[float, Field(ge=-1e40, le=1e40)]  # an input after encoding, in float32


class Distribution(Frozen):
    """A distribution function at some values: the shares of training rows that are at most that.

    The first value is the smallest of the rows, the last one the largest.
    """

    values: Annotated[tuple[Number, ...], Field(min_length=1, max_length=MAX_KNOTS)]
    shares: tuple[Share, ...]

    @model_validator(mode="after")
    def _ascends(self) -> "Distribution":
        ascends = all(np.diff(self.values) > 0) and all(np.diff(self.shares) >= 0)
        if len(self.values) != len(self.shares) or not ascends:
            raise ValueError("values and shares must be equally many and ascending")
        return self


class Profile(Frozen):
    """Rows of train as an exported model sees them.

    `scenarios` are their shares, `numeric` the distributions of numeric inputs. `without_id` is
    the share of the `valid_rows` whose value has no embedding of its own, by categorical field.
    `tasks` says how labels follow from the columns of a table.
    """

    rows: Annotated[int, Field(ge=1, le=2**53)]
    scenarios: dict[Text, Share]
    numeric: dict[Text, Distribution]
    valid_rows: Annotated[int, Field(ge=1, le=2**53)]
    without_id: dict[Text, Share]
    tasks: dict[Text, TaskDefinition]


def profile_of(dataset: Dataset, schema: Schema, tasks: Mapping[str, TaskDefinition]) -> Profile:
    """The profile of a study's rows for what is read by a model of `schema`."""
    full, train, valid = dataset.full_schema, dataset.train, dataset.valid
    shares_M = np.bincount(train.scenario_R, minlength=full.num_scenarios) / train.num_rows
    every = slice(None, None, max(1, -(-train.num_rows // MAX_ROWS)))
    numbers = {name: full.numeric.index(name) for name in schema.numeric}
    fields = {name: full.categorical.index(name) for name in schema.categorical}
    sizes = dict(zip(schema.categorical, schema.vocabulary_sizes, strict=False))
    return Profile(
        rows=train.num_rows,
        scenarios=dict(zip(full.scenarios, map(float, shares_M), strict=True)),
        numeric={
            name: distribution(train.numeric_RN[every, column]) for name, column in numbers.items()
        },
        valid_rows=valid.num_rows,
        without_id={
            name: _share_without_id(valid, field, sizes[name]) for name, field in fields.items()
        },
        tasks=dict(tasks),
    )


def distribution(number_R: NDArray[np.float32]) -> Distribution:
    """The distribution function of some numbers at evenly spaced quantiles, their ends included."""
    sorted_R = np.sort(number_R.astype(np.float64))
    positions = np.linspace(0, len(sorted_R) - 1, MAX_KNOTS).round().astype(np.intp)
    value_K = np.unique(sorted_R[positions])
    share_K = np.searchsorted(sorted_R, value_K, side="right") / len(sorted_R)
    return Distribution(values=tuple(value_K.tolist()), shares=tuple(share_K.tolist()))


def _share_without_id(columns: Columns, field: int, size: int) -> float:
    """Ids from `size` on have no embedding in the model, 0 stands for missing and unseen values."""
    ids_R = columns.ids_RF[:, field]
    return float(((ids_R == 0) | (ids_R >= size)).mean())


def write_profile(folder: Path, profile: Profile) -> None:
    """Write the profile beside the model."""
    (folder / PROFILE).write_text(profile.model_dump_json(indent=1), encoding="utf-8")


def read_profile(folder: Path) -> Profile:
    """Read the profile of an exported folder.

    Errors: DataError for a folder of an earlier version, which has none, and for other content.
    """
    path = folder / PROFILE
    if not path.is_file():
        raise DataError(
            f"{folder}: must have {PROFILE}, with which new rows are compared, but has none: "
            "it was exported by an earlier version",
            remedy="export the model again",
        )
    try:
        return Profile.model_validate_json(path.read_bytes())
    except ValidationError as error:
        wrong = error.errors()[0]
        place = ".".join(map(str, wrong["loc"])) or "the file"
        raise DataError(f"{path}: {place}: {wrong['msg']}", remedy=AGAIN) from error
