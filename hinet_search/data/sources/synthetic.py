"""Synthetic: rows of several scenarios and tasks whose true probabilities are known.

Every row has a feature vector of random latents of its user, item, attributes and numbers, standardised in its
scenario; a task's logit is linear in it, with one weight vector per (scenario, task). Weight vectors are mixed from
orthogonal parts, so that those of two scenarios have exactly the cosine `preference_correlation`, and those of two
tasks `task_correlation`. Tasks form a funnel: task j + 1 can be 1 only where task j is 1. Column `truth_TASK` holds
P(task = 1 | row), so AUC(label, truth) is the best that any model can reach.

Shape legend: R rows of a scenario, U users, I items, K latent width, P latent features, M scenarios, T tasks.
"""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field, model_validator
from scipy.optimize import brentq
from scipy.special import expit

from hinet_search.data.contents import Contents
from hinet_search.definition import truth_column
from hinet_search.frozen import Fraction, Frozen, Text

VERSION = 1
LATENT_WIDTH = 4  # 4 + 4 + 16 id-level features: learnable by embeddings of width 8 and more
ATTRIBUTE_WIDTH = 2
SECONDS_PER_ROW = 60

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Share = Annotated[float, Field(ge=0, le=1)]
Cardinality = Annotated[int, Field(ge=2, le=1000)]


class Options(Frozen):
    """What is generated.

    `scenarios` maps a name to its share of the rows (shares are normalised). `tasks` maps a name, in the order of the
    funnel, to its rate P(task = 1), one for all scenarios or one per scenario. `user_overlap` is the share of users
    that are active in every scenario; the others have one scenario each. `signal` is the standard deviation of the
    logits within a scenario, `id_effects` the share of it that only the ids of user and item explain: at 0 the truth
    depends on attributes and numbers alone. `zipf` is the exponent of user activity and item popularity.
    """

    rows: Annotated[int, Field(ge=100, le=5_000_000)] = 100_000
    seed: Annotated[int, Field(ge=0)] = 0
    scenarios: dict[Text, Annotated[float, Field(gt=0)]] = Field(
        default={"home": 0.6, "search": 0.3, "push": 0.1}, min_length=1
    )
    tasks: dict[Text, Fraction | dict[Text, Fraction]] = Field(default={"click": 0.25, "buy": 0.06}, min_length=1)
    num_users: Annotated[int, Field(ge=2)] = 5_000
    num_items: Annotated[int, Field(ge=2)] = 1_000
    user_overlap: Share = 0.5
    preference_correlation: Share = 0.5
    task_correlation: Share = 0.7
    signal: Annotated[float, Field(ge=0, le=20)] = 1.5
    id_effects: Share = 0.5
    zipf: Annotated[float, Field(ge=0, le=3)] = 0.8
    user_attributes: tuple[Cardinality, ...] = (8, 4)
    item_attributes: tuple[Cardinality, ...] = (12, 5)
    num_numeric: Annotated[int, Field(ge=0, le=100)] = 4

    @model_validator(mode="after")
    def _consistent(self) -> "Options":
        for task, rate in self.tasks.items():
            if isinstance(rate, dict) and set(rate) != set(self.scenarios):
                raise ValueError(f"tasks.{task} needs one rate per scenario, {', '.join(self.scenarios)}")
        for scenario in self.scenarios:
            rates = self.rates(scenario)
            if any(later >= earlier for earlier, later in pairwise(rates)):
                raise ValueError(f"rates must fall along the funnel, got {rates} in scenario {scenario}")
        if self.id_effects < 1 and not (self.user_attributes or self.item_attributes or self.num_numeric):
            raise ValueError("id_effects below 1 needs user_attributes, item_attributes or num_numeric")
        return self

    def rates(self, scenario: str) -> tuple[float, ...]:
        """Rates of a scenario in the order of the tasks."""
        return tuple(rate[scenario] if isinstance(rate, dict) else rate for rate in self.tasks.values())


@dataclass(frozen=True)
class _World:
    """The latents behind the rows. Attribute latents are one table per attribute, indexed by value."""

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
    """Rows of one scenario: who, what, and the numeric features in standard form."""

    user_R: Integers
    item_R: Integers
    numeric_RN: Floats


def identity(options: Options, folder: Path, contents: Contents) -> str:  # noqa: ARG001 - every source has these arguments
    """The options and the version of the generator."""
    return f"synthetic {VERSION} {options.model_dump_json()}"


def load(options: Options, folder: Path) -> pl.LazyFrame:  # noqa: ARG001 - every source has these arguments
    """Rows in random order: scenario, user_id, item_id, time, attributes, numeric_*, one 0/1 column and truth a task."""
    generator = np.random.default_rng(options.seed)
    world = _world(options, generator)
    pools = _user_pools(options, generator)
    counts = _rows_per_scenario(options)
    frames = [
        _frame(options, world, index, _draw_rows(options, pools[index], count, generator), generator)
        for index, count in enumerate(counts)
    ]
    order = generator.permutation(options.rows)
    time = pl.Series("time", np.arange(options.rows, dtype=np.int64) * SECONDS_PER_ROW)
    return pl.concat(frames)[order].insert_column(3, time).lazy()


def _world(options: Options, generator: np.random.Generator) -> _World:
    user_attributes, user_latents = _attributes(options.user_attributes, options.num_users, generator)
    item_attributes, item_latents = _attributes(options.item_attributes, options.num_items, generator)
    num_id = 2 * LATENT_WIDTH + LATENT_WIDTH**2
    num_pairs = len(user_latents) * len(item_latents) * ATTRIBUTE_WIDTH**2
    num_mixed = len(user_latents[:1]) * ATTRIBUTE_WIDTH * options.num_numeric
    num_attribute = ATTRIBUTE_WIDTH * (len(user_latents) + len(item_latents)) + num_pairs
    return _World(
        user_UK=generator.standard_normal((options.num_users, LATENT_WIDTH)),
        item_IK=generator.standard_normal((options.num_items, LATENT_WIDTH)),
        user_attributes=user_attributes,
        item_attributes=item_attributes,
        user_latents=user_latents,
        item_latents=item_latents,
        id_weights_MTP=_weights(options, num_id, generator),
        attribute_weights_MTP=_weights(options, num_attribute + 2 * options.num_numeric + num_mixed, generator),
    )


def _attributes(
    cardinalities: tuple[int, ...], count: int, generator: np.random.Generator
) -> tuple[tuple[Integers, ...], tuple[Floats, ...]]:
    """Values of `count` users or items, lower values more often, and a latent vector per value."""
    values = tuple(generator.choice(size, count, p=_zipf(size, 0.5)) for size in cardinalities)
    return values, tuple(generator.standard_normal((size, ATTRIBUTE_WIDTH)) for size in cardinalities)


def _weights(options: Options, width: int, generator: np.random.Generator) -> Floats:
    """Unit weight vectors (M, T, P): cosine `preference_correlation` between scenarios, `task_correlation` in tasks."""
    num_scenarios, num_tasks = len(options.scenarios), len(options.tasks)
    across_MC = _mixing(num_scenarios, options.preference_correlation)
    across_TD = _mixing(num_tasks, options.task_correlation)
    num_parts = (num_scenarios + 1) * (num_tasks + 1)
    parts_XP = generator.standard_normal((num_parts, width))
    if num_parts <= width:  # orthogonal parts make the cosines exact; more parts than features cannot be
        parts_XP = np.linalg.qr(parts_XP.T)[0].T
    parts_CDP = parts_XP.reshape(num_scenarios + 1, num_tasks + 1, width)
    weights_MTP: Floats = np.einsum("mc,td,cdp->mtp", across_MC, across_TD, parts_CDP)
    lengths_MT1: Floats = np.linalg.norm(weights_MTP, axis=-1, keepdims=True).clip(1e-12)
    return weights_MTP / lengths_MT1


def _mixing(count: int, correlation: float) -> Floats:
    """(count, 1 + count): sqrt(rho) of the shared part in column 0, sqrt(1 - rho) of each one's own part."""
    own = np.sqrt(1 - correlation) * np.eye(count)
    return np.concatenate([np.full((count, 1), np.sqrt(correlation)), own], axis=1)


def _zipf(count: int, exponent: float) -> Floats:
    weights: Floats = np.arange(1, count + 1, dtype=np.float64) ** -exponent
    shares: Floats = weights / weights.sum()
    return shares


def _user_pools(options: Options, generator: np.random.Generator) -> list[tuple[Integers, Floats]]:
    """Per scenario the users who may appear and their probabilities; the first users of a shuffled list are in all."""
    shuffled = generator.permutation(options.num_users)
    activity = _zipf(options.num_users, options.zipf)[generator.permutation(options.num_users)]
    num_everywhere = round(options.user_overlap * options.num_users)
    shares = np.array(list(options.scenarios.values()))
    cuts = num_everywhere + np.rint(np.cumsum(shares / shares.sum()) * (options.num_users - num_everywhere))
    pools = []
    for start, end in zip([num_everywhere, *cuts[:-1].astype(int)], cuts.astype(int), strict=True):
        members = np.concatenate([shuffled[:num_everywhere], shuffled[start:end]])
        if members.size == 0:  # a scenario too small for a user of its own
            members = shuffled[-1:]
        pools.append((members, activity[members] / activity[members].sum()))
    return pools


def _rows_per_scenario(options: Options) -> list[int]:
    shares = np.array(list(options.scenarios.values()))
    ends = np.rint(np.cumsum(shares / shares.sum()) * options.rows).astype(int)
    return [int(count) for count in np.diff(ends, prepend=0)]


def _draw_rows(options: Options, pool: tuple[Integers, Floats], count: int, generator: np.random.Generator) -> _Rows:
    members, probabilities = pool
    return _Rows(
        user_R=generator.choice(members, count, p=probabilities),
        item_R=generator.choice(options.num_items, count, p=_zipf(options.num_items, options.zipf)),
        numeric_RN=generator.standard_normal((count, options.num_numeric)),
    )


def _id_features(world: _World, rows: _Rows) -> Floats:
    """(R, P): latents of user and item, and their products."""
    user_RK, item_RK = world.user_UK[rows.user_R], world.item_IK[rows.item_R]
    return np.concatenate([user_RK, item_RK, _products(user_RK, item_RK)], axis=1)


def _attribute_features(world: _World, rows: _Rows) -> Floats:
    """(R, P): attribute latents, products of user and item attributes, waves of numbers, numbers by first attribute."""
    of_user = [
        table[values[rows.user_R]] for table, values in zip(world.user_latents, world.user_attributes, strict=True)
    ]
    of_item = [
        table[values[rows.item_R]] for table, values in zip(world.item_latents, world.item_attributes, strict=True)
    ]
    pairs = [_products(left, right) for left in of_user for right in of_item]
    numeric = [rows.numeric_RN, np.sin(1.5 * rows.numeric_RN)]
    mixed = [_products(left, rows.numeric_RN) for left in of_user[:1]]
    return np.concatenate([*of_user, *of_item, *pairs, *numeric, *mixed], axis=1)


def _products(left_RA: Floats, right_RB: Floats) -> Floats:
    """(R, A * B): every column of one times every column of the other."""
    return (left_RA[:, :, None] * right_RB[:, None, :]).reshape(left_RA.shape[0], -1)


def _standardised(values_RX: Floats) -> Floats:
    spread_X = values_RX.std(axis=0)
    standardised_RX: Floats = (values_RX - values_RX.mean(axis=0)) / np.maximum(spread_X, 1e-12)
    return standardised_RX


def _scores(world: _World, rows: _Rows, scenario: int, id_effects: float) -> Floats:
    """(R, T): what decides the tasks of a scenario, with mean 0 and standard deviation 1 over the rows."""
    by_id_RT = _standardised(_standardised(_id_features(world, rows)) @ world.id_weights_MTP[scenario].T)
    by_attribute_RT = _standardised(
        _standardised(_attribute_features(world, rows)) @ world.attribute_weights_MTP[scenario].T
    )
    return _standardised(id_effects**0.5 * by_id_RT + (1 - id_effects) ** 0.5 * by_attribute_RT)


def _truths(logits_RT: Floats, rates: tuple[float, ...]) -> Floats:
    """(R, T): P(task = 1), each task within the one before, intercepts solved so that the means are the rates."""
    before_R = np.ones(logits_RT.shape[0])
    truths = []
    for logit_R, rate in zip(logits_RT.T, rates, strict=True):

        def excess(
            intercept: float, logit_R: Floats = logit_R, before_R: Floats = before_R, rate: float = rate
        ) -> float:
            return float((before_R * expit(logit_R + intercept)).mean() - rate)

        before_R = before_R * expit(logit_R + brentq(excess, -200, 200, xtol=1e-6))
        truths.append(before_R)
    truths_RT: Floats = np.stack(truths, axis=1)
    return truths_RT


def _frame(options: Options, world: _World, scenario: int, rows: _Rows, generator: np.random.Generator) -> pl.DataFrame:
    name = list(options.scenarios)[scenario]
    logits_RT = options.signal * _scores(world, rows, scenario, options.id_effects)
    truths_RT = _truths(logits_RT, options.rates(name))
    ceilings_RT = np.concatenate([np.ones((truths_RT.shape[0], 1)), truths_RT[:, :-1]], axis=1)
    labels_RT = np.cumprod(generator.random(truths_RT.shape) * ceilings_RT < truths_RT, axis=1)
    columns: dict[str, Any] = {"user_id": rows.user_R, "item_id": rows.item_R}
    columns |= {f"user_attribute_{a}": values[rows.user_R] for a, values in enumerate(world.user_attributes)}
    columns |= {f"item_attribute_{a}": values[rows.item_R] for a, values in enumerate(world.item_attributes)}
    columns |= {f"numeric_{n}": (n + 1) * (10 + values) for n, values in enumerate(rows.numeric_RN.T)}
    for index, task in enumerate(options.tasks):
        columns[task] = labels_RT[:, index].astype(np.int8)
        columns[truth_column(task)] = truths_RT[:, index]
    return pl.DataFrame(columns).insert_column(0, pl.repeat(name, rows.user_R.size, eager=True).alias("scenario"))
