"""Outcomes: take features away that are known only after the row, as their values betray.

A number that alone orders the rows nearly as a label does was probably measured after it (how long
a video played). A column of yes and no that is yes wherever a label is, or only where it is, is
another step of the same funnel (a visit before a conversion). So is a column that has a value only
where a label is yes. A feature that orders the rows better than most honest ones is doubted.
Shape legend: R rows.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.common.amounts import percent
from hinet_search.data.cell_counts import auc
from hinet_search.data.frequent import is_positive
from hinet_search.data.guess.column_facts import ColumnFacts
from hinet_search.data.guess.label_values import why_check
from hinet_search.data.guess.roles import ColumnRole, ColumnRoles
from hinet_search.data.guess.table_sample import TableSample
from hinet_search.data.text_numbers import parsed

SUSPICIOUS_AUC = 0.95
DOUBTFUL_AUC = 0.8
PRIOR_ROWS = 20  # at the mean rate, which are added to those of a category
NEARLY_ALWAYS = 0.99
USUAL = 0.8  # a value of that share of all rows is no sign of anything
MIN_ROWS = 30  # with a 1


def without_outcomes(sample: TableSample, roles: ColumnRoles) -> ColumnRoles:
    """List features among the outcomes that give a label away, and doubt those that may.

    Roles stay as they are if no feature would be left.
    """
    ids = [role.column for role in (roles.user, roles.item) if role]
    numbers = [role.column for role in roles.numeric]
    outcomes = []
    doubts = {}
    for column in (role.column for role in (*roles.categorical, *roles.numeric)):
        if column in ids:
            continue
        areas = dict(_areas(sample, column, is_numeric=column in numbers))
        if reason := _reason(sample, column, areas if column in numbers else {}):
            outcomes.append(ColumnRole(column, reason, why_check(column)))
        elif doubt := _doubt(areas):
            doubts[column.name] = doubt
    names = {outcome.column.name for outcome in outcomes}
    categorical, numeric = (
        tuple(_doubted(role, doubts) for role in kind if role.column.name not in names)
        for kind in (roles.categorical, roles.numeric)
    )
    if not (categorical or numeric):
        return roles
    return replace(
        roles, categorical=categorical, numeric=numeric, outcomes=(*roles.outcomes, *outcomes)
    )


def _doubted(role: ColumnRole, doubts: Mapping[str, str]) -> ColumnRole:
    doubt = doubts.get(role.column.name, "")
    return replace(role, to_check="; ".join(filter(None, [role.to_check, doubt])))


def _reason(sample: TableSample, column: ColumnFacts, areas: Mapping[str, float]) -> str:
    """Why a column seems to be an outcome; empty when it does not."""
    if column.missing and (reason := next(_of_gaps(sample, column), "")):
        return reason
    if column.positive:
        return next(_of_binary(sample, column), "")
    for label, area in areas.items():
        if not 1 - SUSPICIOUS_AUC < area < SUSPICIOUS_AUC:
            return f"alone it has AUC {area:.2f} for {label}"
    return ""


def _doubt(areas: Mapping[str, float]) -> str:
    """A doubt about a feature that orders the rows very well by itself; empty without one."""
    label = max(areas, key=lambda label: abs(areas[label] - 0.5), default="")
    if not label or 1 - DOUBTFUL_AUC < areas[label] < DOUBTFUL_AUC:
        return ""
    return f"alone it has AUC {areas[label]:.2f} for {label}, is it known before?"


def _of_gaps(sample: TableSample, column: ColumnFacts) -> Iterator[str]:
    """Labels that are yes where a column has a value, and nowhere else."""
    is_known_R = sample[column].is_not_null().to_numpy()
    for label, labels_R in zip(sample.labels, sample.labels_RT.T, strict=True):
        is_positive_R = labels_R == 1
        if _implies(is_known_R, is_positive_R) and _implies(is_positive_R, is_known_R):
            yield f"it has a value only in rows with {label.name}"


def _of_binary(sample: TableSample, column: ColumnFacts) -> Iterator[str]:
    is_one_R = sample.frame.select(is_positive(column)).to_series().to_numpy()
    for label, labels_R in zip(sample.labels, sample.labels_RT.T, strict=True):
        is_positive_R = labels_R == 1
        if _implies(is_positive_R, is_one_R):
            share = percent(is_one_R[is_positive_R].mean())
            yield f"{column.positive} in {share} of rows with {label.name}"
        if _implies(is_one_R, is_positive_R):
            share = percent(is_positive_R[is_one_R].mean())
            yield f"{label.name} in {share} of rows with {column.positive}"


def _implies(condition_R: NDArray[np.bool_], result_R: NDArray[np.bool_]) -> bool:
    """Whether the result nearly always holds where the condition does, but not in general."""
    if condition_R.sum() < MIN_ROWS or result_R.mean() > USUAL:
        return False
    return bool(result_R[condition_R].mean() >= NEARLY_ALWAYS)


def _areas(
    sample: TableSample, column: ColumnFacts, *, is_numeric: bool
) -> Iterator[tuple[str, float]]:
    """The AUC of a column alone, by label with enough rows of both classes.

    A category has the rate of the label in other rows of it, as codes have no order.
    """
    score_of = _numbers if is_numeric else _category_codes
    values = score_of(sample, column)
    is_known_R = values.is_not_null().to_numpy()
    known_R = values.drop_nulls().to_numpy()
    for label, labels_R in zip(sample.labels, sample.labels_RT.T, strict=True):
        known_labels_R = labels_R[is_known_R]
        num_ones = int(known_labels_R.sum())
        if not MIN_ROWS <= num_ones <= known_labels_R.size - MIN_ROWS:
            continue
        area_of = auc if is_numeric else _area_of_categories
        area = area_of(known_R, known_labels_R)
        if area is not None:
            yield label.name, area


def _numbers(sample: TableSample, column: ColumnFacts) -> pl.Series:
    number = parsed(column.key) if column.is_text else pl.col(column.key).cast(pl.Float64)
    return sample.frame.select(number.fill_nan(None)).to_series()


def _category_codes(sample: TableSample, column: ColumnFacts) -> pl.Series:
    return sample[column].rank("dense")


def _area_of_categories(codes_R: NDArray[Any], labels_R: NDArray[np.uint8]) -> float | None:
    """The mean AUC of two halves of the rows, each by the rates of the other half."""
    areas = []
    is_first_R = np.arange(codes_R.size) % 2 == 0
    for is_scored_R in (is_first_R, ~is_first_R):
        counted_R = codes_R[~is_scored_R]
        size = int(codes_R.max()) + 1
        rows_C = np.bincount(counted_R, minlength=size)
        ones_C = np.bincount(counted_R, labels_R[~is_scored_R], minlength=size)
        rate = labels_R[~is_scored_R].mean()
        rate_C = (ones_C + PRIOR_ROWS * rate) / (rows_C + PRIOR_ROWS)
        areas.append(auc(rate_C[codes_R[is_scored_R]], labels_R[is_scored_R]))
    first, second = areas
    return None if first is None or second is None else (first + second) / 2
