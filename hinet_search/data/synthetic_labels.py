"""Synthetic labels: true probabilities along a funnel, and rows that come in visits of their users.

Of tasks each can be 1 only where the one before is. In visits, users go on as they began: whether a
row is a click (the first task) depends on the last row of the same user in the same visit: after a
click another one is likelier, otherwise it is less likely. So the log knows what no column of the
row says, and only if labels are known at once.

Legend: R rows (of visits sorted by user and time), T tasks.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import expit, logit

from hinet_search.study.data_definition import truth_column

ROWS_OF_VISIT = 5  # on average
SHORTEST_APART = 20  # seconds between rows of a visit
LONGEST_APART = 90
GAP_SECONDS = 1_800  # more than this ends a visit

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def truths(logits_RT: Floats, rates: tuple[float, ...]) -> Floats:
    """P(task = 1) (R, T): each task within the one before, with the rates as means."""
    before_R = np.ones(logits_RT.shape[0])
    truth_of_tasks = []
    for logit_R, rate in zip(logits_RT.T, rates, strict=True):
        before_R = before_R * expit(logit_R + _intercept(before_R, logit_R, rate))
        truth_of_tasks.append(before_R)
    truths_RT: Floats = np.stack(truth_of_tasks, axis=1)
    return truths_RT


def _intercept(before_R: Floats, logit_R: Floats, rate: float) -> float:
    """The intercept with which the mean probability of a task is its rate."""
    from scipy.optimize import brentq  # a quarter of a second, which encoded data do not need

    def excess(intercept: float) -> float:
        return float((before_R * expit(logit_R + intercept)).mean() - rate)

    return float(brentq(excess, -200, 200, xtol=1e-6))


def in_visits(
    frame: pl.DataFrame,
    tasks: tuple[str, ...],
    habit: float,
    seconds: int,
    generator: np.random.Generator,
) -> pl.DataFrame:
    """The rows in the order of time, with new times and labels, and their new true probabilities.

    Times are within `seconds` and a visit. `habit` is the spread of the logits of the first task
    that a user's last row explains. A row whose scenario lacks the first task is no click.
    """
    frame = frame.sort("user_id", maintain_order=True)
    time_R = _times(frame["user_id"].to_numpy(), seconds, generator)
    frame = frame.with_columns(pl.Series("time", time_R)).sort("user_id", "time")
    # A row of the same moment as the one before begins a visit too.
    is_other_user = pl.col("user_id") != pl.col("user_id").shift(1)
    passed = pl.col("time") - pl.col("time").shift(1)
    is_first = (is_other_user | (passed > GAP_SECONDS) | (passed == 0)).fill_null(value=True)
    is_first_R = frame.select(is_first).to_series().to_numpy()
    probability_RT = frame.select(truth_column(task) for task in tasks).to_numpy()
    truth_RT, label_RT = _drawn(probability_RT, is_first_R, habit, generator)
    columns = [pl.Series(truth_column(task), truth_RT[:, t]) for t, task in enumerate(tasks)]
    columns += [pl.Series(task, label_RT[:, t]).cast(pl.Int8) for t, task in enumerate(tasks)]
    has_task = []
    for task in tasks:
        given = pl.when(frame[task].is_not_null())
        has_task += [given.then(pl.col(name)).alias(name) for name in (task, truth_column(task))]
    return frame.with_columns(columns).with_columns(has_task).sort("time", maintain_order=True)


def _times(
    user_R: NDArray[np.int64], seconds: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Whole seconds: visits begin at any time, and their rows follow soon after one another."""
    is_first_R = generator.random(user_R.size) < 1 / ROWS_OF_VISIT
    is_first_R |= np.diff(user_R, prepend=-1) != 0
    visit_R = np.cumsum(is_first_R) - 1
    start_V = generator.integers(seconds, size=visit_R[-1] + 1)
    apart_R = np.where(
        is_first_R, 0, generator.integers(SHORTEST_APART, LONGEST_APART, user_R.size)
    )
    since_R = np.cumsum(apart_R)
    time_R: NDArray[np.int64] = start_V[visit_R] + since_R - since_R[is_first_R][visit_R]
    return time_R


def _drawn(
    probability_RT: Floats, is_first_R: Flags, habit: float, generator: np.random.Generator
) -> tuple[Floats, Flags]:
    """True probabilities and labels, visit by visit: first the first rows, then the second ones.

    Later tasks keep their probabilities given the one before.
    """
    num_rows = len(is_first_R)
    start_R = np.maximum.accumulate(np.where(is_first_R, np.arange(num_rows), 0))
    position_R = np.arange(num_rows) - start_R
    rate = float(np.nanmean(probability_RT[:, 0]))
    spread = (rate * (1 - rate)) ** 0.5
    truth_RT = probability_RT.copy()
    label_RT = np.zeros(probability_RT.shape, dtype=np.bool_)
    draw_R1 = generator.random((num_rows, 1))
    for position in range(int(position_R.max()) + 1):
        row_S = np.flatnonzero(position_R == position)
        if position > 0:
            later_S = row_S[probability_RT[row_S, 0] > 0]
            worth_S = habit * (label_RT[later_S - 1, 0] - rate) / spread
            before_S = probability_RT[later_S, 0]
            truth_RT[later_S] *= (expit(logit(before_S) + worth_S) / before_S)[:, None]
        label_RT[row_S] = draw_R1[row_S] < truth_RT[row_S]
    return truth_RT, label_RT
