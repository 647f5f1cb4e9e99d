"""Ensembles: average the logits of several runs, and find runs that are copies of each other.

A mean is taken of logits or of probabilities; both are returned as logits. For tasks of amounts,
whose scores are logs, the scale `probabilities` means expected amounts (results/families.py).
Shape legend: M runs (S if they are the seeds of one finalist), R rows, T tasks.
"""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from hinet_search.common import heartbeat
from hinet_search.results.ensemble_records import Scale
from hinet_search.results.families import POISSON
from hinet_search.results.statistics.scored_cell import Floats

CHUNK_NUMBERS = 1_000_000  # logits of one run that are widened to float64 at once (8 MB)
CERTAIN = 700.0  # larger logits count as this: their probability is 1 in float64
COPY_TOLERANCE = 1e-5  # evaluating the same weights in batches of another size differs by less


class RunningMean:
    """Weighted mean of runs that are added one after another; holds two float64 arrays (R, T).

    `is_amount_T` says which tasks have amounts; without it none has.
    """

    def __init__(self, scale: Scale, is_amount_T: NDArray[np.bool_] | None = None) -> None:
        self._scale = scale
        self._is_amount_T = is_amount_T
        self._yes_RT: Floats | float = 0.0  # sum of weight x logit, x p or x expected amount
        self._no_RT: Floats | float = 0.0  # sum of weights, or of weight x (1 - p)

    def add(self, logits_RT: NDArray[np.float32], weight: float = 1.0) -> None:
        """Add a run with a weight of at least 0; the weights need not sum to 1."""
        if weight == 0.0:
            return
        wide_RT = logits_RT.astype(np.float64)
        if self._scale == "logits":
            self._yes_RT = self._yes_RT + weight * wide_RT
            self._no_RT = self._no_RT + weight
        else:
            np.clip(wide_RT, -CERTAIN, CERTAIN, out=wide_RT)
            yes_RT = expit(wide_RT)
            no_RT = expit(-wide_RT)
            if self._is_amount_T is not None:
                yes_RT[:, self._is_amount_T] = POISSON.mean(wide_RT[:, self._is_amount_T])
                no_RT[:, self._is_amount_T] = 1.0
            self._yes_RT = self._yes_RT + weight * yes_RT
            self._no_RT = self._no_RT + weight * no_RT

    def result(self) -> NDArray[np.float32]:
        """(R, T): logits of the mean; at least one run with a weight above 0 must be added."""
        assert not isinstance(self._yes_RT, float), "a mean needs a run with a weight above 0"
        if self._scale == "logits":
            return (self._yes_RT / self._no_RT).astype(np.float32)
        return (np.log(self._yes_RT) - np.log(self._no_RT)).astype(np.float32)


def combined(
    logits_MRT: NDArray[np.float32],
    weight_M: Floats,
    scale: Scale,
    is_amount_T: NDArray[np.bool_] | None = None,
) -> NDArray[np.float32]:
    """(R, T): the weighted mean of logits, or the logit of the weighted mean probability.

    For tasks of amounts the latter is the log of the weighted mean of expected amounts. Computed in
    float64 and in chunks of rows; finite for any finite logits. Weights are at least 0 and need not
    sum to 1.
    """
    num_rows, num_tasks = logits_MRT.shape[1:]
    mean_RT = np.empty((num_rows, num_tasks), np.float32)
    size = max(1, CHUNK_NUMBERS // max(num_tasks, 1))
    for start in range(0, num_rows, size):
        rows = slice(start, start + size)
        mean = RunningMean(scale, is_amount_T)
        for logits_RT, weight in zip(logits_MRT, weight_M, strict=True):
            mean.add(logits_RT[rows], float(weight))
        mean_RT[rows] = mean.result()
        heartbeat.send_heartbeat()
    return mean_RT


def ensemble_logits(
    logits_SRT: NDArray[np.float32], is_amount_T: NDArray[np.bool_] | None = None
) -> NDArray[np.float32]:
    """(R, T): the logit of the mean probability, or the log of the mean amount, over seeds."""
    return combined(logits_SRT, np.ones(len(logits_SRT)), "probabilities", is_amount_T)


def copies(logits_MRT: NDArray[np.float32]) -> list[tuple[int, int]]:
    """Return the pairs of runs whose logits differ by at most COPY_TOLERANCE everywhere, in order.

    Only runs with nearly equal mean logits are compared row by row.
    """
    mean_M = np.array([logits_RT.mean(dtype=np.float64) for logits_RT in logits_MRT])
    pairs = []
    for left, right in combinations(range(len(mean_M)), 2):
        if abs(mean_M[left] - mean_M[right]) > 2 * COPY_TOLERANCE:
            continue
        difference_RT = np.abs(logits_MRT[left] - logits_MRT[right])
        if difference_RT.max(initial=0.0) <= COPY_TOLERANCE:
            pairs.append((left, right))
        heartbeat.send_heartbeat()
    return pairs
