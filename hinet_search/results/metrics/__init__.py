"""Metrics: one file each, with METRIC, found by the name of the file.

`prepare` of a metric does once what the rows of a cell need, such as sorting. What it returns takes
weights, how often every unit counts in each of B resamplings, and gives the metric (B,), NaN where
it has no value. Weights of one, or None, give the plain metric; other weights give exactly that of
repeated rows, where a user that is drawn twice counts as two users. Everything else goes by what
METRIC says: evaluations, objectives, the resampling of users, ensembles, reports and docs.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from numpy.typing import NDArray

from hinet_search.common import plugins
from hinet_search.results.cells import Labels
from hinet_search.results.families import BERNOULLI, Family
from hinet_search.results.statistics.many_scores import OfMany
from hinet_search.results.statistics.scored_cell import Prepared, ScoredCell, no_value

METRICS = "hinet_search.results.metrics"
_WITH_CUTOFF = re.compile(r"([a-z_]+)@([1-9][0-9]{0,5})")


@dataclass(frozen=True)
class Metric:
    """What a metric is, and how it is computed.

    `is_ranking` are metrics that read only the order of scores, and need labels that differ.
    `mean` makes the metric an objective, its mean over cells: weighted by their rows, or plain.
    `is_of_cell` makes it an objective of one cell, NAME[SCENARIO/TASK]. A metric that is not
    `always` measured is measured and shown in studies that have it as an objective. `of_many` is
    the same metric, faster for many scores of the same rows of labels 0 and 1.

    Metrics `within` users or groups rank the rows of each. Groups are those of the data's `rank`;
    the units of the cell are then groups, and without `rank` users.
    """

    words: str  # in running text: "grouped AUC"
    prepare: Callable[[ScoredCell], Prepared]
    maximize: bool
    is_ranking: bool = False
    mean: Literal["by rows", "plain"] | None = None
    is_of_cell: bool = False
    always: bool = False
    labels: Literal["any", "binary", "amounts"] = "any"
    within: Literal["users", "groups"] | None = None
    over_scenarios: bool = False  # of a task: its cells have one value, that of all their rows
    is_half_by_chance: bool = False  # 0.5 for scores without information
    is_root: bool = False  # the square root of a mean over rows
    in_units: bool = False  # in the unit of the labels' column, so no fixed margin suits it
    cutoff: int | None = None  # the k of a metric NAME@k
    of_cutoff: "Callable[[int], Metric] | None" = None  # the same metric with another k
    of_many: Callable[[Labels, NDArray[Any]], OfMany] | None = None  # by labels of 0/1 and units

    def reads(self, family: Family) -> bool:
        """Whether labels of this family have the metric."""
        return self.labels in ("any", "binary" if family is BERNOULLI else "amounts")

    def prepared(self, cell: ScoredCell) -> Prepared:
        """Prepare a cell; one that cannot have the metric is NaN under any weights."""
        is_empty = len(cell.label_C) == 0
        lacks_users = self.within is not None and not cell.has_users
        if is_empty or lacks_users or not self.reads(cell.family):
            return no_value
        prepared = self.prepare(cell)
        user_G = cell.user_of_units
        if user_G is None:
            return prepared
        return lambda weight_UB: prepared(None if weight_UB is None else weight_UB[user_G])

    def value(self, cell: ScoredCell) -> float | None:
        """Return the plain metric, None without a value."""
        value = float(self.prepared(cell)(None)[0])
        return None if value != value else value  # noqa: PLR0124  NaN


@cache
def every_metric() -> dict[str, Metric]:
    """Return all metrics by name; of those with a cutoff the one that is listed."""
    metrics: dict[str, Metric] = {}
    for file in plugins.names(METRICS):
        metric: Metric = plugins.load(METRICS, file).METRIC
        name = file if metric.cutoff is None else f"{file}@{metric.cutoff}"
        metrics[name] = metric
    return metrics


@cache
def find_metric(name: str) -> Metric | None:
    """Return the metric of that name, None if there is none; `ndcg@5` is one of ndcg.py."""
    metrics = every_metric()
    if name in metrics:
        return metrics[name]
    match = _WITH_CUTOFF.fullmatch(name)
    if match is None or match[1] not in plugins.names(METRICS):
        return None
    of_cutoff = plugins.load(METRICS, match[1]).METRIC.of_cutoff
    return None if of_cutoff is None else of_cutoff(int(match[2]))


def metric_named(name: str) -> Metric:
    """Return the metric of a name that was checked."""
    metric = find_metric(name)
    assert metric is not None, f"{name} is a metric"
    return metric


def always_measured() -> dict[str, Metric]:
    """Return the metrics that every evaluation measures, by name: fields of a CellValue."""
    return {name: metric for name, metric in every_metric().items() if metric.always}
