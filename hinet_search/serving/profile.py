"""Profile: what the rows of a study looked like, kept beside an exported model.

No score depends on it: new rows are compared with it. Numbers are those of inputs after encoding.
Shape legend: R rows, N numeric inputs, F categorical fields, K knots of an input, U users.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from math import isclose
from pathlib import Path
from typing import Annotated, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError, model_validator

from hinet_search.common.errors import DataError, shortened
from hinet_search.common.frozen_model import LEFT_OUT_IF_EMPTY, LEFT_OUT_IF_NONE, Frozen, Text
from hinet_search.data.columns import Columns, Dataset
from hinet_search.data.schema import Schema
from hinet_search.results.statistics.clustered import (
    effective_number,
    equal_users,
    independent_rows,
    likeness,
)
from hinet_search.results.statistics.resampling import units_of_rows
from hinet_search.serving.inputs import Inputs
from hinet_search.serving.sealed import AGAIN, PROFILE
from hinet_search.study.task_definition import TaskDefinition

MAX_KNOTS = 101
MAX_ROWS = 100_000  # of train: every k-th of more
MAX_AMOUNTS = 1_000_000  # likewise, for the spread of amounts
MOST_BYTES = 20_000  # of the file, for every input, scenario and task
MOST_NAMED = 5  # in a message

Kind = Literal["scenarios", "numeric"]  # of what rows of a user may be alike in
KINDS: tuple[Kind, ...] = get_args(Kind)

NumRows = Annotated[int, Field(ge=1, le=10**12)]
NumUsers = Annotated[float, Field(ge=1, le=1e12)]
Ratio = Annotated[float, Field(ge=0, le=1e18)]
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


class UsersOfTraining(Frozen):
    """How alike rows of one user are in scenarios and inputs: 0 as those of several, 1 equal.

    `train` and `valid` are the equally active users that vary as much as those of these splits.
    """

    train: NumUsers
    valid: NumUsers
    scenarios: dict[Text, Share]
    numeric: dict[Text, Share]


@dataclass(frozen=True)
class RowsOfUsers:
    """Rows of which shares are taken: how many, and of how many equally active users."""

    num_rows: float
    num_users: float

    def worth(self, likeness: float) -> float:
        """The independent rows that say as much, if rows of a user are so alike."""
        return independent_rows(self.num_rows, self.num_users, likeness)


class AmountSpread(Frozen):
    """How much amounts of training vary.

    `of_rows` is the mean of their squares over the square of their mean. `of_users` is the variance
    of the mean of a user, relative to the square of the mean, as if users were equally active.
    """

    of_rows: Ratio
    of_users: Ratio

    def least_variance(self, num_rows: int, expected_U: NDArray[np.float64]) -> float:
        """The variance of the sum of the amounts of rows, with what is expected of each user."""
        total = float(expected_U.sum())
        of_rows = self.of_rows * total**2 / num_rows
        return max(of_rows, self.of_users * total**2 / max(effective_number(expected_U), 1.0))


class Profile(Frozen):
    """Rows of train as an exported model sees them.

    `scenarios` are their shares, `numeric` the distributions of numeric inputs. `without_id` is
    the share of the `valid_rows` whose value has no embedding of its own, by categorical field.
    `tasks` says how labels follow from the columns of a table. `users` is None where the study
    names no user, `amounts` are of tasks of amounts.
    """

    rows: NumRows
    scenarios: dict[Text, Share]
    numeric: dict[Text, Distribution]
    valid_rows: NumRows
    without_id: dict[Text, Share]
    tasks: dict[Text, TaskDefinition]
    users: Annotated[UsersOfTraining | None, LEFT_OUT_IF_NONE] = None
    amounts: Annotated[dict[Text, AmountSpread], LEFT_OUT_IF_EMPTY] = Field(default_factory=dict)

    @property
    def train(self) -> RowsOfUsers:
        """The rows of train, each of a user of its own where the study names no user."""
        if self.users is None:
            return RowsOfUsers(self.rows, self.rows)
        return RowsOfUsers(self.rows, self.users.train)

    @property
    def valid(self) -> RowsOfUsers:
        """The rows of valid, likewise."""
        if self.users is None:
            return RowsOfUsers(self.valid_rows, self.valid_rows)
        return RowsOfUsers(self.valid_rows, self.users.valid)

    def likeness(self, kind: Kind, name: str) -> float:
        """How alike rows of one user are in a scenario or an input."""
        if self.users is None:
            return 1.0
        of_kind: dict[str, float] = getattr(self.users, kind)
        return of_kind[name]


def profile_of(dataset: Dataset, schema: Schema, tasks: Mapping[str, TaskDefinition]) -> Profile:
    """The profile of a study's rows for what is read by a model of `schema`."""
    full = dataset.full_schema
    train = dataset.train
    valid = dataset.valid
    shares_M = np.bincount(train.scenario_R, minlength=full.num_scenarios) / train.num_rows
    every = slice(None, None, max(1, -(-train.num_rows // MAX_ROWS)))
    numeric = {}
    for name in schema.numeric:
        number_R = train.numeric_RN[:, full.numeric.index(name)]
        ends = (float(number_R.min()), float(number_R.max()))
        numeric[name] = distribution(number_R[every], ends)
    without_id = {}
    for name, size in zip(schema.categorical, schema.vocabulary_sizes, strict=False):
        ids_R = valid.ids_RF[:, full.categorical.index(name)]
        # Ids from `size` on have no embedding in the model, 0 is for missing and unseen values.
        without_id[name] = float(((ids_R == 0) | (ids_R >= size)).mean())
    amounts = {}
    for task in np.flatnonzero(full.is_amount).tolist():
        amounts[full.tasks[task]] = _amounts(train, task, full.has_task[:, task])
    return Profile(
        rows=train.num_rows,
        scenarios=dict(zip(full.scenarios, map(float, shares_M), strict=True)),
        numeric=numeric,
        valid_rows=valid.num_rows,
        without_id=without_id,
        tasks=dict(tasks),
        users=_users(dataset, schema),
        amounts=amounts,
    )


def _users(dataset: Dataset, schema: Schema) -> UsersOfTraining | None:
    """None where the study names no user."""
    full = dataset.full_schema
    train = dataset.train
    if (train.user_R < 0).all():
        return None
    every = slice(None, None, max(1, -(-train.num_rows // MAX_ROWS)))
    train_unit_R, _ = units_of_rows(train.user_R[every])
    scenarios = {}
    for number, name in enumerate(full.scenarios):
        scenarios[name] = likeness(train.scenario_R[every] == number, train_unit_R)
    numeric = {}
    for name in schema.numeric:
        number_R = train.numeric_RN[every, full.numeric.index(name)]
        numeric[name] = likeness_of_numbers(number_R, train_unit_R)
    return UsersOfTraining(
        train=equal_users(train.user_R),
        valid=equal_users(dataset.valid.user_R),
        scenarios=scenarios,
        numeric=numeric,
    )


def likeness_of_numbers(number_R: NDArray[np.float32], unit_R: NDArray[np.int64]) -> float:
    """The largest likeness in being at most one of nine deciles."""
    deciles = np.quantile(number_R, np.linspace(0.1, 0.9, 9), method="lower")
    below = (number_R <= decile for decile in np.unique(deciles))
    of_deciles = [likeness(is_below_R, unit_R) for is_below_R in below if not is_below_R.all()]
    return max(of_deciles, default=1.0)


def _amounts(train: Columns, task: int, has_task_M: NDArray[np.bool_]) -> AmountSpread:
    every = slice(None, None, max(1, -(-train.num_rows // MAX_AMOUNTS)))
    is_of_task_R = has_task_M[train.scenario_R[every]]
    amount_R = train.labels_RT[every, task][is_of_task_R].astype(np.float64)
    return amount_spread(amount_R, train.user_R[every][is_of_task_R])


def amount_spread(amount_R: NDArray[np.float64], user_R: NDArray[np.int32]) -> AmountSpread:
    """How much amounts vary over rows and users."""
    total = float(amount_R.sum())
    if not total:
        return AmountSpread(of_rows=1.0, of_users=0.0)
    unit_R, num_units = units_of_rows(user_R)
    residual_U = np.bincount(unit_R, amount_R - amount_R.mean(), num_units)
    return AmountSpread(
        of_rows=float((amount_R**2).mean() / amount_R.mean() ** 2),
        of_users=float((residual_U**2).sum() / total**2) * equal_users(user_R),
    )


def distribution(
    number_R: NDArray[np.float32], ends: tuple[float, float] | None = None
) -> Distribution:
    """The distribution function of some numbers at evenly spaced quantiles, their ends included.

    `ends` are the least and the largest of all, where these are some of them.
    """
    sorted_R = np.sort(number_R.astype(np.float64))
    if ends is not None:
        sorted_R[[0, -1]] = ends
    positions = np.linspace(0, len(sorted_R) - 1, MAX_KNOTS).round().astype(np.intp)
    value_K = np.unique(sorted_R[positions])
    share_K = np.searchsorted(sorted_R, value_K, side="right") / len(sorted_R)
    return Distribution(values=tuple(value_K.tolist()), shares=tuple(share_K.tolist()))


def write_profile(folder: Path, profile: Profile) -> None:
    """Write the profile beside the model."""
    (folder / PROFILE).write_text(profile.model_dump_json(indent=1), encoding="utf-8")


def read_profile(folder: Path, inputs: Inputs, numeric: Collection[str]) -> Profile:
    """Read the profile of a folder whose hashes were checked, with a model of these inputs.

    DataError unless it is no larger than such a model needs, and of its scenarios, inputs and
    tasks.
    """
    path = folder / PROFILE
    num_parts = sum(map(len, (inputs.scenario.names, inputs.tasks, inputs.categorical, numeric)))
    size = path.stat().st_size
    most = MOST_BYTES * (num_parts + 1)
    if size > most:
        raise DataError(
            f"{path}: must be at most {most:,} bytes for this model, got {size:,}", remedy=AGAIN
        )
    try:
        profile = Profile.model_validate_json(path.read_bytes())
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, wrong["loc"])) or "the file"
        raise DataError(f"{path}: {shortened(place)}: {wrong['msg']}", remedy=AGAIN) from error
    problems = [f"{path}: {problem}" for problem in _differences(profile, inputs, numeric)]
    if problems:
        raise DataError(*problems, remedy=AGAIN)
    return profile


def _differences(profile: Profile, inputs: Inputs, numeric: Collection[str]) -> Iterator[str]:
    """How a profile differs from one of a model."""
    for key, got, wanted in (
        ("scenarios", profile.scenarios, inputs.scenario.names),
        ("numeric", profile.numeric, numeric),
        ("without_id", profile.without_id, inputs.categorical),
        ("tasks", profile.tasks, inputs.tasks),
        ("amounts", profile.amounts, inputs.amount_units),
    ):
        if set(got) != set(wanted):
            yield f"{key} must be those of the model, {_named(wanted)}, got {_named(got)}"
    total = sum(profile.scenarios.values())
    if not isclose(total, 1, abs_tol=1e-6):
        yield f"shares of scenarios must sum to 1, got {total:g}"
    for name, task in profile.tasks.items():
        if name in inputs.tasks and task.is_amount != (name in inputs.amount_units):
            kind = "amounts" if name in inputs.amount_units else "0 and 1"
            yield f"tasks.{name} must be a task of {kind}, as in the model, but is not"
    if profile.users is not None:
        yield from _differences_of_users(profile, profile.users)


def _differences_of_users(profile: Profile, users: UsersOfTraining) -> Iterator[str]:
    for kind in KINDS:
        if set(getattr(users, kind)) != set(getattr(profile, kind)):
            yield f"users.{kind} must be of all {kind}, but is not"
    rounded = 1 + 1e-9
    for name, most in (("train", profile.rows), ("valid", profile.valid_rows)):
        got = getattr(users, name)
        if got > rounded * most:
            yield f"users.{name} must be at most the number of rows, {most:,}, got {got:g}"


def _named(names: Collection[str]) -> str:
    named = ", ".join(shortened(name) for name in list(names)[:MOST_NAMED])
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"{named}{more}" or "none"
