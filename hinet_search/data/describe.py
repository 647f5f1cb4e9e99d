"""Describe: what a reader wants to know of the data before believing a model of them, in numbers.

Shape legend: R rows, M scenarios, T tasks, D distinct lists, E entries of all distinct lists.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl

from hinet_search.data.agreement import NONE, codes_of, distinct_values
from hinet_search.data.columns import SPLITS, Columns, Dataset
from hinet_search.data.description import CategoricalFacts, Description, FunnelBreak, ListFacts, NumericFacts, Overlap
from hinet_search.data.leaks import leak_suspects
from hinet_search.data.render import render
from hinet_search.data.rows import Rows, read_rows
from hinet_search.data.unseen import unseen_rate
from hinet_search.definition import DataDefinition
from hinet_search.features import ListDefinition

__all__ = ["Description", "describe", "render"]

NEARLY_A_FUNNEL = 0.05


def describe(definition: DataDefinition, dataset: Dataset, folder: Path) -> Description:
    """Facts of the rows of a definition and of their encoding; reads the source again, `folder` is that of the study."""
    rows = read_rows(definition, folder, cache=dataset.folder.parent)
    record = dataset.record
    return Description(
        source=record.source,
        split=record.split,
        rows=record.rows,
        cells=record.cells,
        categorical=_categorical(dataset, rows),
        numeric=tuple(_numeric(rows.frame[name]) for name in definition.features.numeric),
        lists=tuple(_list_facts(name, one, rows) for name, one in definition.features.lists.items()),
        groups=record.groups,
        overlaps=_overlaps(definition, rows),
        funnel_breaks=_funnel_breaks(rows, record.tasks),
        leaks=leak_suspects(dataset),
        time=_time_range(definition, rows.frame),
        warnings=record.warnings,
    )


def _categorical(dataset: Dataset, rows: Rows) -> tuple[CategoricalFacts, ...]:
    names = dataset.full_schema.categorical
    unseen_valid = _unseen(rows, dataset.valid, "valid", names)
    unseen_test = _unseen(rows, dataset.test, "test", names)
    return tuple(
        CategoricalFacts(
            name=name,
            num_values=rows.frame[name].drop_nulls().n_unique(),
            missing=rows.frame[name].null_count(),
            unseen_valid=unseen_valid[field],
            unseen_test=unseen_test[field],
        )
        for field, name in enumerate(names)
    )


def _unseen(rows: Rows, columns: Columns, split: str, names: Sequence[str]) -> tuple[float, ...]:
    is_of_split = pl.Series(rows.split_R == SPLITS.index(split))
    return tuple(
        unseen_rate(rows.frame[name].filter(is_of_split), columns.ids_RF[:, field]) for field, name in enumerate(names)
    )


def _numeric(values: pl.Series) -> NumericFacts:
    numbers = values.cast(pl.Float64)
    present_R = numbers.drop_nulls().to_numpy()
    present_R = present_R[np.isfinite(present_R)]
    if present_R.size == 0:
        return NumericFacts(values.name, len(values), None, None)
    low, high = float(present_R.min()), float(present_R.max())
    return NumericFacts(values.name, len(values) - present_R.size, low, high)


def _list_facts(name: str, one: ListDefinition, rows: Rows) -> ListFacts:
    lists = rows.lists[one.column]
    list_R = rows.listed.list_numbers(one.column)
    length_R = lists.length_D[list_R]
    seen = distinct_values(rows.frame[one.item].filter(rows.split_R == SPLITS.index("train")))
    is_unseen_E = codes_of(lists.entries_E, seen) == NONE
    unseen_D = np.bincount(lists.list_of_entry[is_unseen_E], minlength=lists.num_lists)
    return ListFacts(
        name=name,
        mean_length=float(length_R.mean()),
        empty=float((length_R == 0).mean()),
        unseen=float(unseen_D[list_R].sum() / max(length_R.sum(), 1)),
    )


def _overlaps(definition: DataDefinition, rows: Rows) -> tuple[Overlap, ...]:
    chosen = [("users", definition.user), ("items", definition.item)]
    return tuple(_overlap(what, rows.frame[column], rows) for what, column in chosen if column is not None)


def _overlap(what: str, ids: pl.Series, rows: Rows) -> Overlap:
    pairs = pl.DataFrame({"id": ids, "scenario": rows.scenario_R}).drop_nulls().unique()
    both = pairs.join(pairs, on="id").group_by("scenario", "scenario_right").len()
    count_MM = np.zeros((len(rows.scenarios), len(rows.scenarios)))
    count_MM[both["scenario"].to_numpy(), both["scenario_right"].to_numpy()] = both["len"].to_numpy()
    share_MM = count_MM / np.maximum(count_MM.diagonal()[:, None], 1)
    return Overlap(what, pairs["id"].n_unique(), tuple(tuple(float(share) for share in row_M) for row_M in share_MM))


def _funnel_breaks(rows: Rows, tasks: Sequence[str]) -> tuple[FunnelBreak, ...]:
    """Breaks of every two tasks that follow each other and are nested in nearly all rows of a scenario."""
    breaks = []
    for (earlier, name), (later, later_name) in pairwise(enumerate(tasks)):
        positive_R = rows.labels_RT[:, later] == 1
        broken_R = positive_R & (rows.labels_RT[:, earlier] == 0)
        for scenario, scenario_name in enumerate(rows.scenarios):
            here_R = rows.scenario_R == scenario
            found = rows.row_R[broken_R & here_R]
            if 0 < found.size < NEARLY_A_FUNNEL * (positive_R & here_R).sum():
                first = tuple(int(row) for row in found[:2])
                breaks.append(FunnelBreak(scenario_name, name, later_name, int(found.size), first))
    return tuple(breaks)


def _time_range(definition: DataDefinition, frame: pl.DataFrame) -> tuple[str, str] | None:
    if definition.time is None or frame[definition.time].drop_nulls().is_empty():
        return None
    return str(frame[definition.time].min()), str(frame[definition.time].max())
