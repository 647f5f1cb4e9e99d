"""Families: how a score becomes an expected label, and what a wrong expectation costs.

A model gives every row and task one score z. A label of 0 or 1 is Bernoulli's: z is the logit of
its mean, and the cost is the log loss. An amount, in units of the mean amount of training, is
fitted as Poisson's: z is the log of its mean, and the cost is half the deviance,
mean - y + y log(y / mean). That does not take amounts for counts: the fitted mean is right for
amounts of any distribution, like the fitted line of least squares (Gourieroux, Monfort and Trognon,
Econometrica 1984). In both families the derivative of the cost in z is mean - y, so training,
trees, calibration and students need no other change.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MAX_LOG = 60.0  # larger scores of amounts count as this one: their means fit into float32


@dataclass(frozen=True)
class Family:
    """The functions of a family, element by element, in float64; `mean` also in float32."""

    name: str
    mean: Callable[[NDArray[Any]], NDArray[Any]]  # of a score
    score: Callable[[Floats], Floats]  # of a mean; undoes `mean`
    variance: Callable[[Floats], Floats]  # of a mean: the derivative of `mean` in the score
    loss: Callable[[Floats, Floats], Floats]  # of a score and a label


# SciPy is imported where it is used: it takes a tenth of a second, and cells are known everywhere.
def _bernoulli_mean(score: NDArray[Any]) -> NDArray[Any]:
    from scipy.special import expit

    mean: NDArray[Any] = expit(score)
    return mean


def _bernoulli_score(mean: Floats) -> Floats:
    from scipy.special import logit

    score: Floats = logit(mean)
    return score


def _bernoulli_loss(score: Floats, label: Floats) -> Floats:
    """-log p(label) = softplus(score) - label * score, without overflow."""
    softplus = np.maximum(score, 0.0) + np.log1p(np.exp(-np.abs(score)))
    loss: Floats = softplus - label * score
    return loss


def _poisson_mean(score: NDArray[Any]) -> NDArray[Any]:
    mean: NDArray[Any] = np.exp(np.minimum(score, MAX_LOG))
    return mean


def _poisson_loss(score: Floats, label: Floats) -> Floats:
    """Half the deviance: 0 where the mean is the label."""
    from scipy.special import xlogy

    loss: Floats = _poisson_mean(score) - label * score + xlogy(label, label) - label
    return loss


BERNOULLI = Family(
    "bernoulli",
    _bernoulli_mean,
    _bernoulli_score,
    lambda mean: mean * (1 - mean),
    _bernoulli_loss,
)
POISSON = Family("poisson", _poisson_mean, np.log, lambda mean: mean, _poisson_loss)
