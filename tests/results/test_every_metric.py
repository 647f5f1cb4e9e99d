"""Every metric that is found, against its definition in loops (metric_references): plain, and under weights of users."""

from collections.abc import Callable
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hinet_search.common.plugins import names
from hinet_search.results.families import BERNOULLI, POISSON, Family
from hinet_search.results.metrics import METRICS, Metric, every_metric, find_metric, metric_named
from hinet_search.results.records import CellValue
from hinet_search.results.statistics.scored_cell import ScoredCell
from tests.results.metric_references import PlainRow, Rows

NUM_USERS, AMOUNT = 4, 2.5
# Few distinct scores make many ties; -0.0 and 0.0 are one score.
SCORES = st.sampled_from([-1.5, -1e-30, -0.0, 0.0, 0.5, 2.0])
LABELS = {BERNOULLI: st.integers(0, 1), POISSON: st.sampled_from([0.0, 0.0, 0.125, 1.0, 1.5, 40.0])}
DRAWS = st.lists(st.integers(0, 3), min_size=NUM_USERS, max_size=NUM_USERS)
METRIC_OF_FILE = {name.split("@", maxsplit=1)[0]: metric for name, metric in every_metric().items()}
CASES = [
    pytest.param(file, metric, family, id=f"{file}-{family.name}")
    for file, metric in METRIC_OF_FILE.items()
    for family in (BERNOULLI, POISSON)
    if metric.reads(family)
]
every_case = pytest.mark.parametrize(("file", "metric", "family"), CASES)


def rows_of(family: Family) -> st.SearchStrategy[list[PlainRow]]:
    """Draw rows of one cell, most of them with a user."""
    row = st.builds(
        PlainRow,
        score=SCORES,
        label=LABELS[family],
        user=st.integers(0, NUM_USERS - 1),
        is_amount=st.just(family is POISSON),
        amount=st.just(AMOUNT),
    )
    return st.lists(row, min_size=1, max_size=25)


def cell_of(rows: Rows, family: Family) -> ScoredCell:
    return ScoredCell(
        score_C=np.array([row.score for row in rows], np.float32),
        label_C=np.array(
            [row.label for row in rows], np.uint8 if family is BERNOULLI else np.float32
        ),
        unit_C=np.array([-1 if row.user is None else row.user for row in rows]),
        num_units=NUM_USERS,
        family=family,
        amount=AMOUNT,
    )


def plain_of(file: str) -> Callable[[Rows], float | None]:
    plain: Callable[[Rows], float | None] = import_module(
        f"tests.results.metric_references.{file}"
    ).plain
    return plain


def same(expected: float | None) -> object:
    return None if expected is None else pytest.approx(expected, rel=1e-6, abs=1e-9)


@every_case
@given(data=st.data())
def test_it_is_what_loops_over_the_rows_give(
    file: str, metric: Metric, family: Family, data: st.DataObject
) -> None:
    rows = data.draw(rows_of(family))
    assert metric.value(cell_of(rows, family)) == same(plain_of(file)(rows))


@every_case
@given(data=st.data())
def test_under_weights_of_users_it_is_that_of_repeated_rows(
    file: str, metric: Metric, family: Family, data: st.DataObject
) -> None:
    """A user that is drawn twice is two users with the same rows."""
    rows, draws = data.draw(rows_of(family)), data.draw(DRAWS)
    repeated = [
        PlainRow(row.score, row.label, (row.user, time), row.is_amount, row.amount)
        for row in rows
        for time in range(draws[row.user])  # type: ignore[call-overload]
    ]
    weight_UB = np.array([draws, [1] * NUM_USERS], float).T
    drawn, once = metric.prepared(cell_of(rows, family))(weight_UB).tolist()
    assert (None if np.isnan(drawn) else drawn) == same(plain_of(file)(repeated))
    assert (None if np.isnan(once) else once) == same(plain_of(file)(rows))


@pytest.mark.parametrize("file", [f for f, m in METRIC_OF_FILE.items() if m.within == "groups"])
@given(data=st.data())
def test_within_groups_of_users_a_weight_of_a_user_repeats_all_its_groups(
    file: str, data: st.DataObject
) -> None:
    """Groups are named by user and number; every fifth row is in none, so its own."""
    rows, draws = data.draw(rows_of(BERNOULLI)), data.draw(DRAWS)
    numbers = data.draw(st.lists(st.integers(0, 2), min_size=len(rows), max_size=len(rows)))
    group_C = np.array([10 * row.user + n for row, n in zip(rows, numbers, strict=True)])  # type: ignore[operator]
    group_C[4::5] = -1
    repeated = [
        PlainRow(row.score, row.label, (group, group < 0 and place, time), is_amount=False)
        for place, (row, group) in enumerate(zip(rows, group_C.tolist(), strict=True))
        for time in range(draws[row.user])  # type: ignore[call-overload]
    ]
    cell = cell_of(rows, BERNOULLI).by_groups(group_C)
    (drawn,) = METRIC_OF_FILE[file].prepared(cell)(np.array([draws], float).T).tolist()
    assert (None if np.isnan(drawn) else drawn) == same(plain_of(file)(repeated))


OF_MANY = [metric for metric in every_metric().values() if metric.of_many is not None]


@pytest.mark.parametrize("metric", OF_MANY, ids=[metric.words for metric in OF_MANY])
@given(rows=rows_of(BERNOULLI))
def test_of_many_scores_at_once_it_is_the_same(metric: Metric, rows: list[PlainRow]) -> None:
    cell = cell_of(rows, BERNOULLI)
    assert metric.of_many is not None
    of_many = metric.of_many(cell.label_C, cell.unit_C)
    value, opposite = of_many(np.stack([cell.score_C, -cell.score_C])).tolist()
    assert (None if np.isnan(value) else value) == same(metric.value(cell))
    assert np.isnan(value) or opposite == pytest.approx(1 - value)


@every_case
@given(data=st.data())
def test_a_ranking_reads_only_the_order_of_scores_and_needs_labels_that_differ(
    file: str, metric: Metric, family: Family, data: st.DataObject
) -> None:
    if not metric.is_ranking:
        return
    rows = data.draw(rows_of(family))
    bent = [
        PlainRow(row.score**3 + 7 * row.score, row.label, row.user, row.is_amount) for row in rows
    ]
    value = metric.value(cell_of(rows, family))
    assert metric.value(cell_of(bent, family)) == value
    assert value is None or len({row.label for row in rows}) > 1


@every_case
def test_a_cell_without_rows_has_no_value(file: str, metric: Metric, family: Family) -> None:
    empty = cell_of([], family)
    assert metric.value(empty) is None
    assert np.isnan(metric.prepared(empty)(np.ones((NUM_USERS, 3)))).tolist() == [True] * 3


@every_case
def test_a_metric_is_said_to_be_half_by_chance_where_equal_scores_have_half(
    file: str, metric: Metric, family: Family
) -> None:
    rows = [PlainRow(0.25, int(n % 5 == 0), n % 2, family is POISSON, AMOUNT) for n in range(15)]
    assert (metric.value(cell_of(rows, family)) == 0.5) == metric.is_half_by_chance


@pytest.mark.parametrize("file", METRIC_OF_FILE)
def test_within_users_rows_without_a_user_do_not_count(file: str) -> None:
    metric = METRIC_OF_FILE[file]
    pairs = [(0.0, 0), (1.0, 1)]
    of_users = [PlainRow(score, label, 3, is_amount=False) for score, label in pairs]
    without_user = [PlainRow(-score, label, None, is_amount=False) for score, label in pairs]
    if metric.within is not None:
        # Means of groups rank all rows, of which these keep their scores.
        expected = 1.0 if metric.is_ranking else 0.375
        assert metric.value(cell_of([*of_users, *without_user], BERNOULLI)) == expected
        assert metric.value(cell_of(without_user, BERNOULLI)) is None


@pytest.mark.parametrize("file", METRIC_OF_FILE)
def test_a_family_that_a_metric_does_not_read_has_no_value(file: str) -> None:
    metric = METRIC_OF_FILE[file]
    for family in (BERNOULLI, POISSON):
        rows = [PlainRow(score, score, 0, is_amount=family is POISSON) for score in (0.0, 1.0)]
        assert (metric.value(cell_of(rows, family)) is None) == (not metric.reads(family))


def test_metrics_that_are_always_measured_are_fields_of_a_cell() -> None:
    cell = CellValue("home", "click", 1, 1, auc=None, logloss=None)
    always = [name for name, metric in every_metric().items() if metric.always]
    assert all(hasattr(cell, name) for name in always)
    assert not [name for name in set(every_metric()) - set(always) if hasattr(cell, name)]


def test_a_metric_of_another_cutoff_is_found_by_its_name() -> None:
    assert metric_named("ndcg@3").words == "NDCG@3"
    for name in ("ndcg", "ndcg@0", "ndcg@x", "auc@3", "gone@3", "gone"):
        assert find_metric(name) is None


def test_only_the_first_places_count_in_ndcg() -> None:
    rows = [PlainRow(float(-place), int(place == 2), 0, is_amount=False) for place in range(4)]
    cell = cell_of(rows, BERNOULLI)
    assert metric_named("ndcg@2").value(cell) == 0.0
    assert metric_named("ndcg@3").value(cell) == pytest.approx(0.5)  # 1 / log2(1 + 3)


def test_every_file_has_a_metric_and_a_reference() -> None:
    assert set(METRIC_OF_FILE) == set(names(METRICS))
    assert all(plain_of(file) for file in METRIC_OF_FILE)


def test_users_with_the_largest_numbers_are_distinguished() -> None:
    top = 2**31 - 1
    for other in (top - 1, top - 2**30):  # the lowest and the highest bit
        cell = ScoredCell(
            np.array([0.0, 1.0, 5.0, 6.0], np.float32),
            np.array([0, 1, 0, 1], np.uint8),
            np.array([top, top, other, other], np.int32),
        )
        assert metric_named("gauc").value(cell) == 1.0
