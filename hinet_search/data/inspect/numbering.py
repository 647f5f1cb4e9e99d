"""Numbering: tell ids that seem to be numbered per scenario, so that one id means several things.

Such ids are 0, 1, 2, ... in every scenario. They are shared by all scenarios, but what is known of
an id in one scenario (its rows, its label rates) says nothing about it in another.
Shape legend: R rows, T tasks, I ids, M scenarios, H halves of the rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.checks import INTEGERS
from hinet_search.data.mapped import column_of
from hinet_search.data.rows import Rows
from hinet_search.results.cells import Labels
from hinet_search.study.data_definition import DataDefinition

MAX_ROWS = 1_000_000  # every k-th of more
MAX_SCENARIOS = 5  # the largest ones are compared
MIN_IDS = 50
MAX_IDS = 500_000
LARGEST_FIRST = 1  # numbering begins at 0 or 1
MIN_DENSE = 0.9  # of the numbers up to the largest id occur
MIN_SHARED = 0.9  # of the ids of the smaller of two scenarios
MIN_ROWS = 5  # of an id in either half of a scenario
MIN_RELIABILITY = 0.3  # correlation of two halves of one scenario
ERRORS = 2.0  # standard errors of a correlation

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class RepeatedIds:
    """Ids of one numbering in every scenario; correlations of what is known of them."""

    name: str
    first: int
    last: int
    what: str
    within: float  # between two halves of a scenario
    between: float  # between two scenarios


def numbering_warnings(definition: DataDefinition, rows: Rows) -> list[str]:
    """Warn of ids that seem to be numbered per scenario."""
    if len(rows.scenarios) < 2:
        return []
    warnings = []
    for name in definition.features.categorical:
        ids = rows.frame[name]
        repeated = repeated_ids(
            ids, rows.scenario_R, rows.labels_RT, tuple(definition.tasks), rows.has_task_MT
        )
        if repeated is not None:
            warnings.append(in_words(repeated))
    return warnings


def in_words(repeated: RepeatedIds) -> str:
    """The warning about ids, with the remedy."""
    return (
        f"{repeated.name}: ids {repeated.first:,} to {repeated.last:,} are in every scenario, but "
        f"their {repeated.what} in one scenario says nothing about that in another (correlation "
        f"{repeated.between:.2f}, {repeated.within:.2f} between halves of a scenario): if every "
        f"scenario numbers its own, set features: {{distinct_by_scenario: [{repeated.name}]}}"
    )


def repeated_ids(
    ids: pl.Series,
    scenario_R: NDArray[np.int16],
    labels_RT: Labels,
    tasks: tuple[str, ...],
    has_task_MT: NDArray[np.bool_] | None = None,
) -> RepeatedIds | None:
    """Whether whole numbers seem to be numbered per scenario; None if they do not.

    Every scenario has all tasks unless `has_task_MT` says which.
    """
    if not isinstance(ids.dtype, INTEGERS) or not _are_numbered(ids, scenario_R):
        return None
    step = -(-len(ids) // MAX_ROWS)
    sample = ids[::step]
    scenario_R = scenario_R[::step]
    labels_RT = labels_RT[::step]
    rank_M = np.argsort(np.argsort(-np.bincount(scenario_R)))
    is_used_R = sample.is_not_null().to_numpy() & (rank_M[scenario_R] < MAX_SCENARIOS)
    id_R = sample.filter(pl.Series(is_used_R)).to_numpy().astype(np.int64)
    counts = _count(id_R, rank_M[scenario_R[is_used_R]], labels_RT[is_used_R])
    if has_task_MT is None:
        has_task_MT = np.ones((len(rank_M), len(tasks)), dtype=np.bool_)
    has_task_MT = has_task_MT[np.argsort(rank_M)[: len(counts.rows_MHI)]]  # as counts order them
    correlations = _correlations(counts, tasks, has_task_MT)
    reliable = [known for known in correlations if known.is_reliable]
    if not reliable or any(known.may_agree for known in reliable):
        return None
    best = max(reliable, key=lambda known: known.within)
    first = int(id_R.min())
    last = int(id_R.max())
    return RepeatedIds(ids.name, first, last, best.what, best.within, best.between)


def _are_numbered(ids: pl.Series, scenario_R: NDArray[np.int16]) -> bool:
    """Whether scenarios have nearly all numbers from 0 or 1 up to nearly the same last one."""
    rows = ids.alias("id").to_frame().with_columns(column_of("scenario", scenario_R))
    facts = (
        rows.lazy()
        .drop_nulls()
        .group_by("scenario")
        .agg(
            pl.len().alias("rows"),
            pl.col("id").n_unique().alias("count"),
            pl.col("id").min().alias("first").cast(pl.Float64),
            pl.col("id").max().alias("last").cast(pl.Float64),
        )
        .collect(engine="streaming")
        .top_k(MAX_SCENARIOS, by="rows")
    )
    if len(facts) < 2 or facts["last"].to_numpy().max() > MAX_IDS:
        return False
    count_M = facts["count"].to_numpy()
    last_M = facts["last"].to_numpy()
    is_first = facts["first"].is_between(0, LARGEST_FIRST).all()
    is_dense = (count_M >= MIN_DENSE * last_M).all()
    is_shared = last_M.min() >= MIN_SHARED * last_M.max()
    return bool(is_first and is_dense and is_shared and count_M.min() >= MIN_IDS)


@dataclass(frozen=True)
class _CountsOfIds:
    """Rows (M, H, I) of every id in both halves of every scenario, and positives (T, M, H, I).

    Amounts add up in place of positives.
    """

    rows_MHI: NDArray[np.float64]
    positives_TMHI: NDArray[np.float64]


def _count(id_R: Numbers, scenario_R: Numbers, labels_RT: Labels) -> _CountsOfIds:
    """Count; rows are in the first and second half by turns."""
    shape = (int(scenario_R.max()) + 1, 2, int(id_R.max()) + 1)
    half_R = np.arange(id_R.size) % 2
    place_R = np.ravel_multi_index((scenario_R, half_R, id_R), shape)
    size = int(np.prod(shape))
    positives = [
        np.bincount(place_R, weights=label_R, minlength=size).reshape(shape)
        for label_R in labels_RT.T
    ]
    rows_MHI = np.bincount(place_R, minlength=size).reshape(shape).astype(np.float64)
    return _CountsOfIds(rows_MHI, np.stack(positives))


@dataclass(frozen=True)
class _Known:
    """How well a number known of ids in one half, or one scenario, agrees with that in another."""

    what: str
    within: float
    between: float
    num_ids: int

    @property
    def is_reliable(self) -> bool:
        """Whether the halves of a scenario agree."""
        return self.num_ids >= MIN_IDS and self.within >= MIN_RELIABILITY

    @property
    def may_agree(self) -> bool:
        """Whether scenarios may agree half as well as halves of one do, within errors."""
        error = ERRORS / np.sqrt(self.num_ids)
        return bool(self.between + error > self.within / 2)


def _correlations(
    counts: _CountsOfIds, tasks: tuple[str, ...], has_task_MT: NDArray[np.bool_]
) -> Iterator[_Known]:
    """The agreement of the number of rows, and of the label rate of every task of two scenarios."""
    rows_MHI = counts.rows_MHI
    has_rows_I = (rows_MHI >= MIN_ROWS).all(axis=(0, 1))
    if has_rows_I.sum() < MIN_IDS:
        return
    rows_MHI = rows_MHI[:, :, has_rows_I]
    yield _known("number of rows", np.log(rows_MHI))
    for task, positives_MHI, has_task_M in zip(
        tasks, counts.positives_TMHI, has_task_MT.T, strict=True
    ):
        if has_task_M.sum() > 1:
            rate_MHI = positives_MHI[:, :, has_rows_I] / rows_MHI
            yield _known(f"rate of {task}", rate_MHI[has_task_M])


def _known(what: str, number_MHI: NDArray[np.float64]) -> _Known:
    within = [_correlation(*halves) for halves in number_MHI]
    of_scenarios = number_MHI.mean(axis=1)
    between = [_correlation(left, right) for left, right in combinations(of_scenarios, 2)]
    return _Known(what, float(np.mean(within)), float(np.mean(between)), number_MHI.shape[2])


def _correlation(left_I: NDArray[np.float64], right_I: NDArray[np.float64]) -> float:
    """Pearson's correlation; 0 where one side is constant."""
    if not (left_I.std() and right_I.std()):
        return 0.0
    return float(np.corrcoef(left_I, right_I)[0, 1])
