"""Outcomes: take features away that are known only after the row, as their values betray.

A number that alone orders the rows nearly as a label does was probably measured after it (how long
a video played). A column of yes and no that is yes wherever a label is, or only where it is, is
another step of the same funnel (a visit before a conversion).
Shape legend: R rows.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.common.amounts import percent
from hinet_search.data.cell_counts import auc
from hinet_search.data.frequent import is_positive
from hinet_search.data.guess.column_facts import ColumnFacts
from hinet_search.data.guess.column_roles import why_check
from hinet_search.data.guess.roles import ColumnRole, ColumnRoles
from hinet_search.data.guess.table_sample import TableSample
from hinet_search.data.text_numbers import parsed

SUSPICIOUS_AUC = 0.95
NEARLY_ALWAYS = 0.99
USUAL = 0.8  # a value of that share of all rows is no sign of anything
MIN_ROWS = 30  # with a 1


def without_outcomes(sample: TableSample, roles: ColumnRoles) -> ColumnRoles:
    """List features among the outcomes that give a label away.

    Roles stay as they are if no feature would be left.
    """
    ids = [role.column for role in (roles.user, roles.item) if role]
    outcomes = []
    for column in (role.column for role in (*roles.categorical, *roles.numeric)):
        is_numeric = any(role.column is column for role in roles.numeric)
        reason = "" if column in ids else _reason(sample, column, is_numeric=is_numeric)
        if reason:
            outcomes.append(ColumnRole(column, reason, why_check(column)))
    names = {outcome.column.name for outcome in outcomes}
    categorical, numeric = (
        tuple(role for role in kind if role.column.name not in names)
        for kind in (roles.categorical, roles.numeric)
    )
    if not (categorical or numeric):
        return roles
    return replace(
        roles, categorical=categorical, numeric=numeric, outcomes=(*roles.outcomes, *outcomes)
    )


def _reason(sample: TableSample, column: ColumnFacts, *, is_numeric: bool) -> str:
    """Why a column seems to be an outcome; empty when it does not. Codes have no order."""
    if column.positive:
        return next(_of_binary(sample, column), "")
    return next(_of_number(sample, column), "") if is_numeric else ""


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


def _of_number(sample: TableSample, column: ColumnFacts) -> Iterator[str]:
    number = parsed(column.key) if column.is_text else pl.col(column.key).cast(pl.Float64)
    numbers = sample.frame.select(number.fill_nan(None)).to_series()
    is_known_R = numbers.is_not_null().to_numpy()
    known_R = numbers.drop_nulls().to_numpy()
    for label, labels_R in zip(sample.labels, sample.labels_RT.T, strict=True):
        area = auc(known_R, labels_R[is_known_R])
        if area is not None and not 1 - SUSPICIOUS_AUC < area < SUSPICIOUS_AUC:
            yield f"alone it has AUC {area:.2f} for {label.name}"
