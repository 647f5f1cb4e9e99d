"""Luck: by how much a finalist's values on test are too good because validation chose it.

Validation chooses the best mean of K finalists over the seeds that are then opened on test, so the
chosen seeds are lucky on validation, and on test as far as both splits agree on a seed (on some
data hardly, on others almost fully). The mean on test is too good by at most as many standard
errors as the mean of the largest of K standard normal numbers: if the finalists are equal, and the
splits agree fully. An arm whose seeds vary much gains most, so without an allowance it is called
better than a calm one too often. welch.py makes the allowance, docs/results/claims.md has its cost.
"""

from functools import cache

import numpy as np
from scipy.special import ndtri

NUM_NODES = 100_000  # of the mean


@cache
def largest_luck(num_finalists: int) -> float:
    """Return the luck in standard errors of a mean: 0 for one finalist, 1.03 for four."""
    share = (np.arange(NUM_NODES) + 0.5) / NUM_NODES
    return float(ndtri(share ** (1 / num_finalists)).mean())
