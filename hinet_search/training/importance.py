"""Importance: how much AUC a model loses on validation if the values of one input are shuffled.

Only order across rows is lost: labels, scenarios and other inputs stay (Breiman, Machine Learning
2001). Nothing is trained again, so an input that others repeat may lose little.
Shape legend: R rows of the sample, T tasks, F fields, N numbers, S slots.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import accumulate
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from hinet_search.common import heartbeat
from hinet_search.data.columns import Columns
from hinet_search.data.schema import Schema, missing_name
from hinet_search.results.metrics import metric_named
from hinet_search.results.statistics.scored_cell import ScoredCell
from hinet_search.training.trainable import Trainable

FEWEST_SCORED = 16_384  # rows that are scored in all, if validation has fewer
Places = Mapping[str, list[int]]  # of the columns of an array, by input


def importances(
    model: Trainable, columns: Columns, schema: Schema, draw: np.random.Generator
) -> dict[str, float]:
    """Return the AUC, a mean over tasks, that is lost without the order of each input.

    All shuffled copies of the drawn rows together are about as many as the rows of validation, so
    they take no longer than to score validation.
    """
    inputs = inputs_of(schema)
    num_inputs = sum(map(len, inputs.values()))
    most = max(FEWEST_SCORED, columns.num_rows) // (num_inputs + 1)
    is_drawn_R = np.zeros(columns.num_rows, np.bool_)
    is_drawn_R[draw.permutation(columns.num_rows)[:most]] = True
    sample = columns.where(is_drawn_R)
    whole = _mean_auc(model.scores(sample), sample, schema)
    lost = {}
    for array, places_of in inputs.items():
        for name, places in places_of.items():
            values = getattr(sample, array).copy()
            values[:, places] = values[draw.permutation(sample.num_rows)][:, places]
            shuffled = replace(sample, **{array: values})
            lost[name] = whole - _mean_auc(model.scores(shuffled), sample, schema)
            heartbeat.send_heartbeat()
    return lost


def inputs_of(schema: Schema) -> Mapping[str, Places]:
    """Return the inputs by the name of their array, with their columns in it.

    A number has its flag of missing values, a sequence the slots of all its lists.
    """
    numbers: dict[str, list[int]] = {}
    for place, name in enumerate(schema.numeric):
        of = [other for other in schema.numeric if missing_name(other) == name]
        numbers.setdefault(of[0] if of else name, []).append(place)
    owner = {part: each.name for each in schema.sequences for part in each.parts}
    lists: dict[str, list[int]] = {}
    starts = accumulate((each.length for each in schema.lists), initial=0)
    for each, start in zip(schema.lists, starts, strict=False):
        slots = lists.setdefault(owner.get(each.name, each.name), [])
        slots += range(start, start + each.length)
    fields = {name: [place] for place, name in enumerate(schema.categorical)}
    return {"ids_RF": fields, "numeric_RN": numbers, "lists_RS": lists}


def _mean_auc(logits_RT: NDArray[np.float32], columns: Columns, schema: Schema) -> float:
    """Return the mean over tasks of the AUC over the rows of all scenarios; 0.5 without any."""
    has_task_RT = schema.has_task[columns.scenario_R]
    aucs = []
    for cell in {cell.task: cell for cell in schema.cells}.values():
        rows = np.flatnonzero(has_task_RT[:, cell.task_number])
        label_C = cell.labels(columns.labels_RT, rows)
        score_C = logits_RT[rows, cell.task_number]
        scored = ScoredCell(score_C, label_C, np.full(len(rows), -1), family=cell.family)
        auc = metric_named("auc").value(scored)
        if auc is not None:
            aucs.append(auc)
    return fmean(aucs) if aucs else 0.5
