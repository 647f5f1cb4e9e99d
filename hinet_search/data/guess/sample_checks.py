"""Sample checks: take features away that the rows of a sample betray, and doubt others.

A number that alone orders the rows nearly as a label does was probably measured after it (how long
a video played). A column of yes and no that is yes wherever a label is, or only where it is, is
another step of the same funnel (a visit before a conversion). So is a column that has a value only
where a label is yes. A feature that orders the rows better than most honest ones is doubted, and so
are features that the scenario is made of, and ids that every scenario numbers anew.
Shape legend: R rows, T tasks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.common.amounts import percent
from hinet_search.data.frequent import is_positive
from hinet_search.data.guess.column_facts import FEW_NUMBERS, ColumnFacts
from hinet_search.data.guess.column_roles import why_check
from hinet_search.data.guess.names import ITEM_WORDS, USER_WORDS, VERBS, has_word, words_of
from hinet_search.data.guess.roles import ColumnRole, ColumnRoles
from hinet_search.data.inspect.leaks import is_suspicious
from hinet_search.data.inspect.single_areas import area_in_order, area_of_rates
from hinet_search.data.reading import ROW_NUMBER
from hinet_search.data.text_numbers import parsed

MAX_ROWS = 200_000  # every k-th of more
DOUBTFUL_AUC = 0.8
NEARLY_ALWAYS = 0.99
USUAL = 0.8  # a value of that share of all rows is no sign of anything
MIN_ROWS = 30  # with a 1
# Columns whose names begin with them are not alike.
COMMON_WORDS = f"{USER_WORDS} {ITEM_WORDS} {' '.join(VERBS)}"


@dataclass(frozen=True)
class TableSample:
    """Scenario, labels and features of some rows of the numbered table; each has a scenario."""

    frame: pl.DataFrame
    scenario: ColumnFacts
    labels: Sequence[ColumnFacts]
    labels_RT: NDArray[np.uint8]

    def __getitem__(self, column: ColumnFacts) -> pl.Series:
        return self.frame[column.key]

    def labels_by_name(self) -> Iterator[tuple[str, NDArray[np.uint8]]]:
        """Every label with its name."""
        for label, labels_R in zip(self.labels, self.labels_RT.T, strict=True):
            yield label.name, labels_R


def sample_of(lazy: pl.LazyFrame, roles: ColumnRoles) -> TableSample:
    """Every k-th row of the numbered table; it must have a scenario."""
    assert roles.scenario is not None, "only called with a scenario"
    scenario = roles.scenario.column
    labels = [role.column for role in roles.tasks]
    keys = dict.fromkeys(column.key for column in (scenario, *labels, *roles.features))
    step = -(-scenario.rows // MAX_ROWS)
    every = (
        lazy.select(list(keys)).with_row_index(ROW_NUMBER).filter(pl.col(ROW_NUMBER) % step == 0)
    )
    frame = every.drop_nulls(scenario.key).collect(engine="streaming")
    labels_RT = frame.select(is_positive(label) for label in labels).to_numpy().astype(np.uint8)
    return TableSample(frame, scenario, labels, labels_RT)


def without_outcomes(sample: TableSample, roles: ColumnRoles) -> ColumnRoles:
    """List features among the outcomes that give a label away, and doubt those that may.

    Roles stay as they are if no feature would be left.
    """
    numbers = [role.column for role in roles.numeric]
    outcomes = []
    doubts = {}
    for column in roles.features:
        if column in roles.ids:
            continue
        is_number = column in numbers
        areas = dict(_areas(sample, column, is_number=is_number))
        label = max(areas, key=lambda label: abs(areas[label] - 0.5), default="")
        area = areas.get(label, 0.5)
        alone = f"alone it has AUC {area:.2f} for {label}"
        reason = next(_steps_of_funnel(sample, column), "")
        if not reason and is_number and not column.positive and is_suspicious(area):
            reason = alone
        if reason:
            outcomes.append(ColumnRole(column, reason, why_check(column)))
        elif not 1 - DOUBTFUL_AUC < area < DOUBTFUL_AUC:
            doubts[column.name] = f"{alone}, is it known before?"
    rest = roles.without({outcome.column.name for outcome in outcomes})
    if rest is None:
        return roles
    rest = replace(rest, outcomes=(*roles.outcomes, *outcomes)).with_doubts(doubts)
    made_of = [label.made_of for label in sample.labels if label.made_of]
    amounts = [role.column.name for role in rest.outcomes if role.column.num_values > FEW_NUMBERS]
    return rest.with_doubts(_named_alike(rest, [*made_of, *doubts, *amounts]))


def _named_alike(roles: ColumnRoles, measured: Sequence[str]) -> dict[str, str]:
    """Doubts about features whose name begins as that of a column that may be measured later.

    So do `arr_time` and `arr_delay`, but not names that begin with a user, an item or a verb.
    """
    doubts = {}
    for column in roles.features:
        (first, *others) = words_of(column.name) or [""]
        if column in roles.ids or not others or has_word(first, COMMON_WORDS):
            continue
        alike = [name for name in measured if name != column.name and words_of(name)[:1] == [first]]
        if alike and column.name not in measured:
            doubts[column.name] = f"named like {alike[0]}: is it known before?"
    return doubts


def _steps_of_funnel(sample: TableSample, column: ColumnFacts) -> Iterator[str]:
    """What tells that a column is a step of a label's funnel: where it has a value, or a yes."""
    if column.missing:
        is_known_R = sample[column].is_not_null().to_numpy()
        for label, labels_R in sample.labels_by_name():
            if _implies(is_known_R, labels_R == 1) and _implies(labels_R == 1, is_known_R):
                yield f"it has a value only in rows with {label}"
    if column.positive:
        is_one_R = sample.frame.select(is_positive(column)).to_series().to_numpy()
        for label, labels_R in sample.labels_by_name():
            is_positive_R = labels_R == 1
            if _implies(is_positive_R, is_one_R):
                share = percent(is_one_R[is_positive_R].mean())
                yield f"{column.positive} in {share} of rows with {label}"
            if _implies(is_one_R, is_positive_R):
                share = percent(is_positive_R[is_one_R].mean())
                yield f"{label} in {share} of rows with {column.positive}"


def _implies(condition_R: NDArray[np.bool_], result_R: NDArray[np.bool_]) -> bool:
    """Whether the result nearly always holds where the condition does, but not in general."""
    if condition_R.sum() < MIN_ROWS or result_R.mean() > USUAL:
        return False
    return bool(result_R[condition_R].mean() >= NEARLY_ALWAYS)


def _areas(
    sample: TableSample, column: ColumnFacts, *, is_number: bool
) -> Iterator[tuple[str, float]]:
    """The AUC of a column alone, by label with enough rows of both classes.

    A category has the rate of the label in other rows of it, as codes have no order.
    """
    values = sample[column]
    if is_number:
        number = parsed(column.key) if column.is_text else pl.col(column.key).cast(pl.Float64)
        values = sample.frame.select(number.fill_nan(None)).to_series()
    is_known_R = values.is_not_null().to_numpy()
    code_R = values.drop_nulls().rank("dense").to_numpy().astype(np.int64) - 1
    area_alone = area_in_order if is_number else area_of_rates
    for label, labels_R in sample.labels_by_name():
        known_labels_R = labels_R[is_known_R]
        num_ones = int(known_labels_R.sum())
        if not MIN_ROWS <= num_ones <= known_labels_R.size - MIN_ROWS:
            continue
        area = area_alone(code_R, known_labels_R)
        if area is not None:
            yield label, area
