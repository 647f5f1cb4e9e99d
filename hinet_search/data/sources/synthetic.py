"""Synthetic: generate rows of several scenarios and tasks whose true probabilities are known.

Every row has a feature vector of random latents of its user, item, attributes and numbers,
standardised in its scenario; the logit of a task is linear in it, with one weight vector per
(scenario, task). Weight vectors are mixed from orthogonal parts, so that those of two scenarios
have exactly the cosine `preference_correlation`, and those of two tasks `task_correlation`; with
many scenarios there are fewer dimensions than parts, and the cosines are only near these. Tasks
form a funnel: task j + 1 can be 1 only where task j is 1. Column `truth_TASK` holds
P(task = 1 | row), so AUC(label, truth) is the best that any model can reach. Both are null in
scenarios without the task: there it is no step of the funnel.

Shape legend: R rows of a scenario, U users, I items, K latent width, P latent features,
M scenarios, T tasks.
"""

from collections import Counter
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from hinet_search.common.errors import did_you_mean
from hinet_search.common.frozen_model import Fraction, Frozen, Positive, Seed, Text
from hinet_search.data.fingerprint import FileHasher
from hinet_search.data.synthetic_labels import in_visits, truths
from hinet_search.study.data_definition import truth_column

VERSION = 1
LATENT_WIDTH = 4  # 4 + 4 + 16 id-level features: learnable by embeddings of width 8 and more
ATTRIBUTE_WIDTH = 2
SECONDS_PER_ROW = 60
MOST_SCENARIOS = 1000

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Share = Annotated[float, Field(ge=0, le=1)]
Rates = Annotated[dict[Text, Fraction], Field(min_length=1)]  # by scenario
Cardinality = Annotated[int, Field(ge=2, le=1000)]


class Options(Frozen):
    """What to generate.

    `scenarios` maps a name to its share of the rows (shares are normalised); a number makes that
    many of equal shares. Scenarios in different `preference_groups` have preferences with nothing
    in common, those of one group the cosine `preference_correlation`; a scenario in no group is a
    group of its own, and without groups all are in one. `tasks` maps a name,
    in the order of the funnel, to its rate P(task = 1), one for all scenarios or one for each
    scenario that has the task; name these in the definition too, as `tasks.NAME.scenarios`.
    `user_overlap` is the share of users that are active in every scenario; the others have one
    scenario each. `signal` is the standard deviation of the logits within a scenario, `id_effects`
    the share of it that only the ids of user and item explain: at 0 the truth depends on attributes
    and numbers alone. `zipf` is the exponent of user activity and item popularity. With a `habit`,
    rows come in visits of their users: it is the spread of the logits of the first task that the
    user's last row in the same visit explains, whether it was 1; rates then hold only nearly.
    """

    rows: Annotated[int, Field(ge=100, le=5_000_000)] = 100_000
    seed: Seed = 0
    scenarios: dict[Text, Positive] = Field(
        default={"home": 0.6, "search": 0.3, "push": 0.1}, min_length=1
    )
    tasks: dict[Text, Fraction | Rates] = Field(default={"click": 0.25, "buy": 0.06}, min_length=1)
    num_users: Annotated[int, Field(ge=2, le=10_000_000)] = 5_000
    num_items: Annotated[int, Field(ge=2, le=10_000_000)] = 1_000
    user_overlap: Share = 0.5
    preference_correlation: Share = 0.5
    preference_groups: tuple[tuple[Text, ...], ...] = ()
    task_correlation: Share = 0.7
    signal: Annotated[float, Field(ge=0, le=20)] = 1.5
    id_effects: Share = 0.5
    zipf: Annotated[float, Field(ge=0, le=3)] = 0.8
    user_attributes: tuple[Cardinality, ...] = (8, 4)
    item_attributes: tuple[Cardinality, ...] = (12, 5)
    num_numeric: Annotated[int, Field(ge=0, le=100)] = 4
    habit: Annotated[float, Field(ge=0, le=5)] = 0.0

    @field_validator("scenarios", mode="before")
    @classmethod
    def _number_is_equal_shares(cls, written: Any) -> Any:
        if not isinstance(written, int) or isinstance(written, bool):
            return written
        if not 1 <= written <= MOST_SCENARIOS:
            raise ValueError(f"must be at least 1 and at most {MOST_SCENARIOS}, got {written}")
        width = len(str(written))
        return {f"scenario {number:0{width}}": 1.0 for number in range(1, written + 1)}

    @model_validator(mode="after")
    def _groups_name_scenarios(self) -> "Options":
        named = list(chain.from_iterable(self.preference_groups))
        unknown = [name for name in named if name not in self.scenarios]
        if unknown:
            raise ValueError(
                f"preference_groups must name scenarios, got '{unknown[0]}'"
                f"{did_you_mean(unknown[0], self.scenarios)}"
            )
        twice = [name for name, times in Counter(named).items() if times > 1]
        if twice:
            raise ValueError(f"preference_groups must name a scenario once, got '{twice[0]}' twice")
        return self

    @model_validator(mode="after")
    def _consistent(self) -> "Options":
        for task, rate in self.tasks.items():
            named = rate if isinstance(rate, dict) else {}
            unknown = sorted(set(named) - set(self.scenarios))
            if unknown:
                hint = did_you_mean(unknown[0], self.scenarios)
                raise ValueError(
                    f"tasks.{task} must have rates of scenarios, got '{unknown[0]}'{hint}"
                )
        self._check_rates()
        cuts = _cuts(self, self.rows)
        for scenario, start, end in zip(self.scenarios, cuts, cuts[1:], strict=False):
            if start == end:
                raise ValueError(
                    f"scenarios.{scenario} must have a row, but its share of {self.rows:,} rows is "
                    "none; raise its share, or rows"
                )
        has_attributes = bool(self.user_attributes or self.item_attributes or self.num_numeric)
        if self.id_effects < 1 and not has_attributes:
            raise ValueError(
                "id_effects below 1 needs user_attributes, item_attributes or num_numeric"
            )
        return self

    def _check_rates(self) -> None:
        for scenario in self.scenarios:
            rates = tuple(self.rates(scenario).values())
            if not rates:
                raise ValueError(
                    f"tasks must have a rate in every scenario, got none in {scenario}"
                )
            if any(later >= earlier for earlier, later in pairwise(rates)):
                raise ValueError(
                    f"rates must fall along the funnel, got {rates} in scenario {scenario}"
                )

    def rates(self, scenario: str) -> dict[int, float]:
        """The rate of every task that a scenario has, by the number of the task, in order."""
        of_scenario = {}
        for number, rate in enumerate(self.tasks.values()):
            if not isinstance(rate, dict):
                of_scenario[number] = rate
            elif scenario in rate:
                of_scenario[number] = rate[scenario]
        return of_scenario

    def group_numbers(self) -> list[int]:
        """The number of every scenario's group of preferences, in the order of the scenarios."""
        if not self.preference_groups:
            return [0] * len(self.scenarios)
        number_of: dict[str, int] = {}
        for number, group in enumerate(self.preference_groups):
            number_of |= dict.fromkeys(group, number)
        num_named = len(self.preference_groups)
        alone = [name for name in self.scenarios if name not in number_of]
        number_of |= {name: num_named + number for number, name in enumerate(alone)}
        return [number_of[name] for name in self.scenarios]


@dataclass(frozen=True)
class _World:
    """The latents behind the rows; attribute latents are a table per attribute, by value."""

    user_UK: Floats
    item_IK: Floats
    user_attributes: tuple[Integers, ...]  # one value per user
    item_attributes: tuple[Integers, ...]
    user_latents: tuple[Floats, ...]
    item_latents: tuple[Floats, ...]
    id_weights_MTP: Floats
    attribute_weights_MTP: Floats


@dataclass(frozen=True)
class _Rows:
    """Rows of one scenario: user, item and standard normal numeric features."""

    user_R: Integers
    item_R: Integers
    numeric_RN: Floats


def identity(options: Options, folder: Path, contents: FileHasher) -> str:  # noqa: ARG001 - a source's arguments
    """The version of the generator and the options; new ones only if they are used."""
    left_out = {name for name in ("preference_groups", "habit") if not getattr(options, name)}
    return f"synthetic {VERSION} {options.model_dump_json(exclude=left_out)}"


def load(options: Options, folder: Path, cache: Path) -> pl.LazyFrame:  # noqa: ARG001 - a source's arguments
    """Rows in random order, or with a habit in the order of the visits.

    Columns: scenario, user_id, item_id, time, attributes, numeric_*, and per task its label (0/1)
    and its true probability.
    """
    generator = np.random.default_rng(options.seed)
    world = _world(options, generator)
    pools = _user_pools(options, generator)
    frames = []
    for index, (start, end) in enumerate(pairwise(_cuts(options, options.rows))):
        count = end - start
        members, probabilities = pools[index]
        rows = _Rows(
            user_R=generator.choice(members, count, p=probabilities),
            item_R=generator.choice(
                options.num_items, count, p=_zipf(options.num_items, options.zipf)
            ),
            numeric_RN=generator.standard_normal((count, options.num_numeric)),
        )
        frames.append(_frame(options, world, index, rows, generator))
    order = generator.permutation(options.rows)
    time = pl.Series("time", np.arange(options.rows, dtype=np.int64) * SECONDS_PER_ROW)
    made = pl.concat(frames)[order].insert_column(3, time)
    if options.habit:
        seconds = options.rows * SECONDS_PER_ROW
        made = in_visits(made, tuple(options.tasks), options.habit, seconds, generator)
    return made.lazy()


def _world(options: Options, generator: np.random.Generator) -> _World:
    user_attributes, user_latents = _attributes(
        options.user_attributes, options.num_users, generator
    )
    item_attributes, item_latents = _attributes(
        options.item_attributes, options.num_items, generator
    )
    num_id_features = 2 * LATENT_WIDTH + LATENT_WIDTH**2
    num_single = ATTRIBUTE_WIDTH * (len(user_latents) + len(item_latents))
    num_pairs = len(user_latents) * len(item_latents) * ATTRIBUTE_WIDTH**2
    num_mixed = len(user_latents[:1]) * ATTRIBUTE_WIDTH * options.num_numeric
    num_attribute_features = num_single + num_pairs + 2 * options.num_numeric + num_mixed
    return _World(
        user_UK=generator.standard_normal((options.num_users, LATENT_WIDTH)),
        item_IK=generator.standard_normal((options.num_items, LATENT_WIDTH)),
        user_attributes=user_attributes,
        item_attributes=item_attributes,
        user_latents=user_latents,
        item_latents=item_latents,
        id_weights_MTP=_weights(options, num_id_features, generator),
        attribute_weights_MTP=_weights(options, num_attribute_features, generator),
    )


def _attributes(
    cardinalities: tuple[int, ...], count: int, generator: np.random.Generator
) -> tuple[tuple[Integers, ...], tuple[Floats, ...]]:
    """Attribute values of `count` users or items, low values more often, and latents per value."""
    values = [generator.choice(size, count, p=_zipf(size, 0.5)) for size in cardinalities]
    latents = [generator.standard_normal((size, ATTRIBUTE_WIDTH)) for size in cardinalities]
    return tuple(values), tuple(latents)


def _weights(options: Options, width: int, generator: np.random.Generator) -> Floats:
    """Unit weight vectors (M, T, P) with the correlations of the options as cosines."""
    num_tasks = len(options.tasks)
    across_MC = _mixing(options.group_numbers(), options.preference_correlation)
    across_TD = _mixing([0] * num_tasks, options.task_correlation)
    num_parts = across_MC.shape[1] * (num_tasks + 1)
    parts_XP = generator.standard_normal((num_parts, width))
    if num_parts <= width:  # orthogonal parts, which make the cosines exact
        parts_XP = np.linalg.qr(parts_XP.T)[0].T
    parts_CDP = parts_XP.reshape(across_MC.shape[1], num_tasks + 1, width)
    weights_MTP: Floats = np.einsum("mc,td,cdp->mtp", across_MC, across_TD, parts_CDP)
    lengths_MT1: Floats = np.linalg.norm(weights_MTP, axis=-1, keepdims=True).clip(1e-12)
    return weights_MTP / lengths_MT1


def _mixing(groups: list[int], correlation: float) -> Floats:
    """A row each: sqrt(rho) of the part of its group, sqrt(1 - rho) of an own part after these."""
    of_group = np.eye(max(groups) + 1)[groups]
    own = np.eye(len(groups))
    return np.concatenate([np.sqrt(correlation) * of_group, np.sqrt(1 - correlation) * own], axis=1)


def _zipf(count: int, exponent: float) -> Floats:
    weights: Floats = np.arange(1, count + 1, dtype=np.float64) ** -exponent
    shares: Floats = weights / weights.sum()
    return shares


def _user_pools(options: Options, generator: np.random.Generator) -> list[tuple[Integers, Floats]]:
    """The users of every scenario and their probabilities."""
    shuffled = generator.permutation(options.num_users)
    activity = _zipf(options.num_users, options.zipf)[generator.permutation(options.num_users)]
    num_everywhere = round(options.user_overlap * options.num_users)
    everywhere = shuffled[:num_everywhere]
    others = shuffled[num_everywhere:]
    pools = []
    for start, end in pairwise(_cuts(options, others.size)):
        members = np.concatenate([everywhere, others[start:end]])
        if members.size == 0:  # the scenario is too small for a user of its own
            members = shuffled[-1:]
        pools.append((members, activity[members] / activity[members].sum()))
    return pools


def _cuts(options: Options, total: int) -> list[int]:
    """Where to cut `total` items so that every scenario gets its share, from 0 to `total`."""
    shares = np.array(list(options.scenarios.values()))
    ends = np.rint(np.cumsum(shares / shares.sum()) * total).astype(int)
    return [0, *(int(end) for end in ends)]


def _attribute_features(world: _World, rows: _Rows) -> Floats:
    """Latents of attributes, products of user and item attributes, and functions of numbers (R, P).

    The last are numbers, their sines, and their products with the first user attribute.
    """
    of_user = []
    for latents, values in zip(world.user_latents, world.user_attributes, strict=True):
        of_user.append(latents[values[rows.user_R]])
    of_item = []
    for latents, values in zip(world.item_latents, world.item_attributes, strict=True):
        of_item.append(latents[values[rows.item_R]])
    features = [*of_user, *of_item]
    for left_RA in of_user:
        features += [_products(left_RA, right_RB) for right_RB in of_item]
    features += [rows.numeric_RN, np.sin(1.5 * rows.numeric_RN)]
    features += [_products(left_RA, rows.numeric_RN) for left_RA in of_user[:1]]
    return np.concatenate(features, axis=1)


def _products(left_RA: Floats, right_RB: Floats) -> Floats:
    """Every column of `left_RA` times every column of `right_RB` (R, A * B)."""
    products_RAB = left_RA[:, :, None] * right_RB[:, None, :]
    return products_RAB.reshape(left_RA.shape[0], -1)


def _standardised(values_RX: Floats) -> Floats:
    spread_X = values_RX.std(axis=0)
    standardised_RX: Floats = (values_RX - values_RX.mean(axis=0)) / np.maximum(spread_X, 1e-12)
    return standardised_RX


def _scores(world: _World, rows: _Rows, scenario: int, id_effects: float) -> Floats:
    """Scores behind the tasks (R, T), with mean 0 and standard deviation 1 over the rows."""
    user_RK = world.user_UK[rows.user_R]
    item_RK = world.item_IK[rows.item_R]
    ids_RP = _standardised(np.concatenate([user_RK, item_RK, _products(user_RK, item_RK)], axis=1))
    by_id_RT = _standardised(ids_RP @ world.id_weights_MTP[scenario].T)
    attributes_RP = _standardised(_attribute_features(world, rows))
    by_attribute_RT = _standardised(attributes_RP @ world.attribute_weights_MTP[scenario].T)
    return _standardised(id_effects**0.5 * by_id_RT + (1 - id_effects) ** 0.5 * by_attribute_RT)


def _frame(
    options: Options, world: _World, scenario: int, rows: _Rows, generator: np.random.Generator
) -> pl.DataFrame:
    name = list(options.scenarios)[scenario]
    rates = options.rates(name)
    logits_RT = options.signal * _scores(world, rows, scenario, options.id_effects)
    truths_RT = truths(logits_RT[:, list(rates)], tuple(rates.values()))
    ceilings_RT = np.concatenate([np.ones((truths_RT.shape[0], 1)), truths_RT[:, :-1]], axis=1)
    draws_RT = generator.random(truths_RT.shape) * ceilings_RT
    labels_RT = np.cumprod(draws_RT < truths_RT, axis=1)
    columns: dict[str, Any] = {"scenario": pl.repeat(name, rows.user_R.size, eager=True)}
    columns |= {"user_id": rows.user_R, "item_id": rows.item_R}
    for number, values in enumerate(world.user_attributes):
        columns[f"user_attribute_{number}"] = values[rows.user_R]
    for number, values in enumerate(world.item_attributes):
        columns[f"item_attribute_{number}"] = values[rows.item_R]
    for number, numeric_R in enumerate(rows.numeric_RN.T):
        columns[f"numeric_{number}"] = (number + 1) * (10 + numeric_R)
    labels = dict(zip(rates, labels_RT.T, strict=True))
    truth_of = dict(zip(rates, truths_RT.T, strict=True))
    absent = pl.repeat(None, rows.user_R.size, eager=True)
    for number, task in enumerate(options.tasks):
        columns[task] = labels.get(number, absent)
        columns[truth_column(task)] = truth_of.get(number, absent)
    truth_columns = [truth_column(task) for task in options.tasks]
    return pl.DataFrame(columns).with_columns(
        pl.col(list(options.tasks)).cast(pl.Int8), pl.col(truth_columns).cast(pl.Float64)
    )
