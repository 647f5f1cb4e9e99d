"""Funnel: the probabilities of tasks of which each can be 1 only where the one before is.

Shape legend: R rows, T tasks.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Floats = NDArray[np.float64]


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
