"""The metrics of cells."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from hinet_search.data.columns import Columns
from hinet_search.results.cells import make_cells
from hinet_search.results.records import CellValue
from hinet_search.training.metrics import NonFiniteScores, cell_values


def one_cell(scores, labels, users=None) -> CellValue:
    return cells(
        np.asarray(scores)[:, None], np.asarray(labels)[:, None], np.zeros(len(labels)), users
    )[0]


def cells(
    scores_RT, labels_RT, scenario_R, users=None, scenarios=("s",), **more
) -> tuple[CellValue, ...]:
    labels_RT = np.asarray(labels_RT, dtype=np.uint8)
    rows, num_tasks = labels_RT.shape
    columns = Columns(
        ids_RF=np.zeros((rows, 0), np.int32),
        numeric_RN=np.zeros((rows, 0), np.float32),
        scenario_R=np.asarray(scenario_R, dtype=np.int16),
        labels_RT=labels_RT,
        user_R=np.full(rows, -1, np.int32) if users is None else np.asarray(users, dtype=np.int32),
        lists_RS=np.zeros((rows, 0), np.int32),
    )
    tasks = tuple(f"t{number}" for number in range(num_tasks))
    return cell_values(
        np.asarray(scores_RT, dtype=np.float32), columns, make_cells(scenarios, tasks), **more
    )


def pairwise_auc(scores, labels) -> float | None:
    positives = [score for score, label in zip(scores, labels, strict=True) if label]
    negatives = [score for score, label in zip(scores, labels, strict=True) if not label]
    wins = sum((p > n) + (p == n) / 2 for p in positives for n in negatives)
    return wins / (len(positives) * len(negatives)) if positives and negatives else None


# Few distinct scores make many ties; -0.0 and 0.0 are one score, and neighbours in float32 are two.
TIED = st.sampled_from(
    [-3.5, -1e-30, -0.0, 0.0, 1e-45, 0.5, float(np.nextafter(np.float32(0.5), np.float32(1))), 80.0]
)
ROWS = st.lists(st.tuples(TIED, st.integers(0, 1)), min_size=1, max_size=60)


@given(ROWS)
def test_auc_counts_every_pair_with_ties_as_half(rows):
    scores, labels = zip(*rows, strict=True)
    assert one_cell(scores, labels).auc == pairwise_auc(scores, labels)


@pytest.mark.parametrize(("labels", "positives"), [([0, 0, 0], 0), ([1, 1, 1], 3)])
def test_one_class_gives_no_auc_and_the_reason_but_a_log_loss(labels, positives):
    cell = one_cell([0.0, 1.0, 2.0], labels, users=[0, 0, 1])
    assert (cell.auc, cell.gauc, cell.reason) == (
        None,
        None,
        f"one class: {positives} positives of 3 rows",
    )
    assert cell.logloss is not None
    assert (cell.rows, cell.positives) == (3, positives)


def test_a_scenario_without_rows_has_no_values_but_a_reason():
    absent = cells([[1.0], [0.0]], [[1], [0]], [0, 0], scenarios=("there", "absent"))[1]
    assert (absent.rows, absent.auc, absent.logloss, absent.reason) == (0, None, None, "no rows")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_not_finite_is_an_error_that_names_task_and_row(value):
    with pytest.raises(NonFiniteScores, match="for task t0 in row 1") as caught:
        one_cell([0.0, value, 1.0], [0, 1, 1])
    assert str(caught.value.value) == str(value)


@pytest.mark.parametrize("copies", [1, 25])
@pytest.mark.parametrize(
    ("users", "chance"),
    [
        ([0, 1, 2, 3], 2 * student.sf(2, 4)),  # each is off by as much
        ([0, 0, 0, 0], 2 * student.sf(1, 1)),
        ([0, 0, 0, 1], 2 * student.sf(2 / 2.5**0.5, 6.25 / 5.125)),
        ([-1, -1, -1, -1], None),
    ],
)
def test_the_chance_of_a_calibration_counts_users_and_not_their_rows(users, chance, copies) -> None:
    users = np.repeat(users, copies)
    number = len(users)
    (cell,) = cells(
        np.zeros((number, 1)), np.zeros((number, 1)), np.zeros(number), users, chances=True
    )
    assert cell.chance == pytest.approx(chance)
